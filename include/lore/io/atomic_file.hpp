// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "lore/core/error.hpp"
#include "lore/io/detail/complaint.hpp"

#include <sys/stat.h>

namespace lore {

/// A file that appears whole or not at all. Bytes go to a temporary name in the same folder; commit() flushes
/// them to the disk and renames. On any failure, and when the object dies without a commit, the temporary is
/// removed and an older file of that name stays as it was.
///
///     lore::AtomicFile file("results.json");
///     file.write(text);
///     file.commit();
///
/// A symbolic link is followed. A device or a pipe (/dev/stdout) cannot be replaced and is written directly.
class AtomicFile {
 public:
  /// @throws io_error when the folder does not exist or may not be written, or the file may not
  explicit AtomicFile(std::filesystem::path path) : path_(std::move(path)), target_(path_) {
    std::error_code failed;
    struct stat status {};
    // The link of an open pipe (/dev/stdout | ..) leads to a name that no folder has.
    const bool stream =
        ::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
    if (!stream && std::filesystem::is_symlink(path_, failed)) {
      target_ = std::filesystem::weakly_canonical(path_, failed);
      if (failed) detail::raise_system(path_, "write", failed.value());
    }
    const bool exists = ::stat(target_.c_str(), &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) detail::raise_system(path_, "write", EISDIR);
    if (exists && ::access(target_.c_str(), W_OK) != 0) detail::raise_system(path_, "write", errno);
    if (!target_.has_filename()) detail::raise_system(path_, "write", EISDIR);
    if (exists && !S_ISREG(status.st_mode)) {
      descriptor_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    } else {
      open_temporary();
      if (exists && descriptor_ >= 0) (void)::fchmod(descriptor_, status.st_mode & 07777U);
    }
    if (descriptor_ < 0) detail::raise_system(path_, "write", errno);
  }

  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() { discard(); }

  /// As the caller gave it.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Appends `count` bytes at `data`.
  /// @throws io_error with the system's reason (a full disk, for example); the temporary is gone by then
  void write(const void* data, std::size_t count) {
    if (descriptor_ < 0) throw std::logic_error("lore::AtomicFile::write: the file is already closed");
    const auto* bytes = static_cast<const char*>(data);
    if (count < buffer_size) {
      if (buffer_.size() + count > buffer_size) flush();
      buffer_.append(bytes, count);
    } else {
      flush();
      write_through(bytes, count);
    }
  }

  void write(std::string_view text) { write(text.data(), text.size()); }

  /// Makes the file appear under its name. To be called once, last.
  /// @throws io_error; nothing has changed on disk then
  void commit() {
    if (descriptor_ < 0) throw std::logic_error("lore::AtomicFile::commit: the file is already closed");
    flush();
    if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail("write");
    if (::close(std::exchange(descriptor_, -1)) != 0) fail("write");
    if (temporary_.empty()) return;
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail("rename the finished file");
    temporary_.clear();
    sync_folder();
  }

 private:
  static constexpr std::size_t buffer_size = std::size_t{1} << 16;

  void open_temporary() {
    static std::atomic<std::uint64_t> serial{0};
    const std::filesystem::path folder = target_.parent_path();
    for (int attempt = 0; attempt < 100; ++attempt) {
      const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
      temporary_ = folder / (".lore-" + detail::to_text(::getpid()) + "-" + detail::to_text(++serial) + "-" +
                             detail::to_text(now) + ".tmp");
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor_ >= 0) return;
      const int code = errno;
      temporary_.clear();
      errno = code;
      if (code != EEXIST && code != EINTR) return;
    }
  }

  void flush() {
    write_through(buffer_.data(), buffer_.size());
    buffer_.clear();
  }

  void write_through(const char* bytes, std::size_t count) {
    while (count > 0) {
      const ssize_t done = ::write(descriptor_, bytes, count);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail("write");
      bytes += done;
      count -= static_cast<std::size_t>(done);
    }
  }

  /// So that the new name, too, survives a power cut; some file systems refuse, which harms nothing.
  void sync_folder() const noexcept {
    const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    (void)::fsync(descriptor);
    ::close(descriptor);
  }

  [[noreturn]] void fail(std::string_view action) {
    const int code = errno;
    discard();
    detail::raise_system(path_, action, code);
  }

  void discard() noexcept {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    temporary_.clear();
  }

  std::filesystem::path path_;
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::string buffer_;
  int descriptor_ = -1;
};

}  // namespace lore
