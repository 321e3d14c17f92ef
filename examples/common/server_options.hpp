// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include "server_encoder.hpp"

namespace CLI {
class App;
}

namespace lore_examples {

/// Adds --server-url and the other options of `ServerOptions` to a program; `options` must outlive `app`.
void add_server_options(CLI::App& app, ServerOptions& options);

}  // namespace lore_examples
