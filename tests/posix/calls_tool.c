// A program below a mount: says with what it was started, and what its standard input and "inner" hold.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  printf("tool");
  for (int i = 0; i < argc; ++i) {
    printf(" [%s]", argv[i]);
  }
  char text[100] = "";
  const int fd = open("inner", O_RDONLY);
  const long bytes = fd < 0 ? 0 : (long)read(fd, text, sizeof text - 1);
  printf(" inner %ld", bytes);
  const long given = isatty(0) ? 0 : (long)read(0, text, sizeof text - 1);
  printf(" input %ld\n", given);
  return argc;
}
