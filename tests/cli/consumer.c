/* A program of somebody else that uses the installed client library: outside a session it is told so. */
#include <errno.h>
#include <forebay/forebay.h>
#include <stdlib.h>

int main(void) {
  struct forebay_counters counters;
  unsetenv("FOREBAY_SESSION");
  return forebay_get_counters(&counters) == -ENOENT && forebay_where("/") == FOREBAY_OUTSIDE ? 0 : 1;
}
