// What every call of a hook reads is kept together, on as few pages and cache lines as possible: the kernel
// leaves little of a process in the processor's first caches, and what is spread costs more than the work.
#pragma once

#define FOREBAY_EACH_CALL __attribute__((section("forebay_each_call")))
