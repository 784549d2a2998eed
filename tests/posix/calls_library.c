// A library below a mount, which opens another by a name that only its own RUNPATH finds.
#define _GNU_SOURCE
#include <dlfcn.h>

int answer(void) {
  return 42;
}

int open_other(void) {
  void* other = dlopen("libother.so", RTLD_NOW);
  return other != 0 && ((int (*)(void))dlsym(other, "other"))() == 43;
}
