/* A C program with the client library: prints what the C API says of each path, fetching those that are given
 * behind "--". */
#include <stdio.h>
#include <string.h>

#include "forebay/forebay.h"

int main(int argc, char** argv) {
  printf("attach %d\n", forebay_attach(argv[1][0] == '\0' ? NULL : argv[1]));
  int fetching = 0;
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], "--") == 0) {
      fetching = 1;
    } else if (fetching) {
      printf("fetch %d\n", forebay_fetch(argv[i]));
    } else {
      printf("where %d\n", forebay_where(argv[i]));
    }
  }
  struct forebay_counters counters;
  const int result = forebay_get_counters(&counters);
  if (result == 0) {
    printf("counters %lu %lu %lu %lu %lu\n", counters.opens_local, counters.opens_peer, counters.opens_origin,
           counters.bypassed, counters.failures);
  } else {
    printf("counters %d\n", result);
  }
  return 0;
}
