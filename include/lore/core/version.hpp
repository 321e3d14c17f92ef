// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

/// The only place that states the version; the build reads it from here.
#define LORE_VERSION_MAJOR 0
#define LORE_VERSION_MINOR 1
#define LORE_VERSION_PATCH 0
#define LORE_VERSION_STRING "0.1.0"
