// Machine: a file system under power, which calls of FUSE come to.
#pragma once

#define FUSE_USE_VERSION 35
#include <fuse3/fuse_lowlevel.h>

#include <shared_mutex>

#include "lab/power_cut_fs/durable_tree.hpp"
#include "lab/power_cut_fs/troubles.hpp"

namespace power_cut {

struct Machine {
  explicit Machine(const char* backing) : tree(backing) {}
  DurableTree tree;
  power_cut::Troubles troubles;
  std::shared_mutex power;  // held by each call; alone by the cut
  bool off = false;
};

// What FUSE calls, with a Machine as its user data.
fuse_lowlevel_ops file_system_calls();

}  // namespace power_cut
