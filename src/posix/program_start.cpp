#include "posix/program_start.hpp"

#include <elf.h>
#include <string.h>

#include "client/mapped_session.hpp"
#include "client/system_call.hpp"

namespace forebay {
namespace {

constexpr int kInterpretersMax = 4;  // As the kernel's.

const char* value_of(char* const environment[], const char* name) {
  const size_t bytes = strlen(name);
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    if (strncmp(*environment, name, bytes) == 0 && (*environment)[bytes] == '=') {
      return *environment + bytes + 1;
    }
  }
  return nullptr;
}

// Runs with rights of its own: the loader then preloads nothing.
bool has_other_rights(int fd) {
  struct stat info;
  char value[64];
  return sys::fstat(fd, &info) != 0 || (info.st_mode & S_ISUID) != 0 ||
         (info.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
         sys::call(SYS_fgetxattr, fd, sys::arg("security.capability"), sys::arg(value), sizeof value) > 0;
}

bool has_loader(int fd, const Elf64_Ehdr& header) {
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    const auto at = static_cast<long>(header.e_phoff + i * sizeof part);
    if (sys::call(SYS_pread64, fd, sys::arg(&part), sizeof part, at) != sizeof part) {
      return false;
    }
    if (part.p_type == PT_INTERP) {
      return true;
    }
  }
  return false;
}

// "#! /bin/sh -e" names /bin/sh.
bool take_interpreter(char* text) {
  char* from = text + 2 + strspn(text + 2, " \t");
  const size_t bytes = strcspn(from, " \t\n");
  memmove(text, from, bytes);
  text[bytes] = '\0';
  return bytes != 0;
}

}  // namespace

bool starts_with_interposer(const MappedSession& session, int directory, const char* path,
                            char* const environment[]) {
  const char* preload = value_of(environment, "LD_PRELOAD");
  if (preload == nullptr || strstr(preload, "forebay") == nullptr ||
      value_of(environment, kSessionVariable) == nullptr ||
      sys::faccessat(AT_FDCWD, session.directory, F_OK) != 0) {
    return false;
  }
  char interpreter[256];
  for (int depth = 0; depth <= kInterpretersMax; ++depth) {
    const sys::Descriptor fd(sys::openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    union {
      Elf64_Ehdr elf;
      char text[sizeof interpreter];
    } start = {};
    if (!fd.valid() || has_other_rights(fd.get()) ||
        sys::call(SYS_pread64, fd.get(), sys::arg(&start), sizeof start - 1, 0) < 4) {
      return false;
    }
    if (memcmp(start.elf.e_ident, ELFMAG, SELFMAG) == 0) {
      return start.elf.e_ident[EI_CLASS] == ELFCLASS64 && start.elf.e_phentsize == sizeof(Elf64_Phdr) &&
             has_loader(fd.get(), start.elf);
    }
    if (memcmp(start.text, "#!", 2) != 0) {
      return true;  // The kernel refuses it, and a shell will read it.
    }
    memcpy(interpreter, start.text, sizeof interpreter);
    if (!take_interpreter(interpreter)) {
      return false;
    }
    path = interpreter;
    directory = AT_FDCWD;
  }
  return false;
}

}  // namespace forebay
