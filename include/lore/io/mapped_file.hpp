// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#if !__has_include(<sys/mman.h>) || !__has_include(<unistd.h>)
#error "lore/io needs a POSIX system (open, mmap, fsync)"
#endif

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <span>
#include <unistd.h>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/io/detail/complaint.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

namespace lore {

namespace detail {

/// Closes a descriptor when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  int number_;
};

}  // namespace detail

/// The bytes of a file, mapped read-only: pages are read when they are touched and may be dropped again, so a
/// table larger than memory opens at once. What cannot be mapped (a pipe, some network file systems) is read
/// into memory instead. The file must not be shortened while it is mapped; replacing it by a rename, as
/// `AtomicFile` does, is safe.
class MappedFile {
 public:
  /// @return the owner of the bytes, to be kept as long as they are in use
  /// @throws io_error with the system's reason when the file cannot be opened or read
  /// @cost O(1); O(size) for what cannot be mapped
  [[nodiscard]] static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path) {
    const detail::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.number() < 0) detail::raise_system(path, "open", errno);
    struct stat status {};
    if (::fstat(file.number(), &status) != 0) detail::raise_system(path, "examine", errno);
    if (S_ISDIR(status.st_mode)) detail::raise_system(path, "read", EISDIR);
    std::shared_ptr<MappedFile> mapped(new MappedFile(path));
    if (S_ISREG(status.st_mode) && status.st_size > 0) {
      const auto size = static_cast<std::size_t>(status.st_size);
      void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
      if (address != MAP_FAILED) {
        mapped->mapping_ = address;
        mapped->bytes_ = {static_cast<const std::byte*>(address), size};
        return mapped;
      }
    }
    mapped->read_all(file.number());
    return mapped;
  }

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (mapping_ != nullptr) ::munmap(mapping_, bytes_.size());
  }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  explicit MappedFile(std::filesystem::path path) : path_(std::move(path)) {}

  void read_all(int descriptor) {
    constexpr std::size_t block = std::size_t{1} << 20;
    std::size_t used = 0;
    for (;;) {
      if (content_.size() - used < block) content_.resize(content_.size() + block + content_.size() / 2);
      const ssize_t got = ::read(descriptor, content_.data() + used, content_.size() - used);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) detail::raise_system(path_, "read", errno);
      if (got == 0) break;
      used += static_cast<std::size_t>(got);
    }
    content_.resize(used);
    bytes_ = content_;
  }

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  void* mapping_ = nullptr;
  std::vector<std::byte> content_;
};

}  // namespace lore
