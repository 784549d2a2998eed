// A program built with _FORTIFY_SOURCE=3: its calls have other names. Sizes come from outside, so that they
// are checked while it runs.
//
//   calls_fortified ROOT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char* failed(void) {
  return strerrorname_np(errno);
}

static void show(const char* root, const char* call, const char* text) {
  const char* at = strstr(text, root);
  if (at != NULL) {
    printf("%s: %.*sROOT%s\n", call, (int)(at - text), text, at + strlen(root));
  } else {
    printf("%s: %s\n", call, text);
  }
}

// What overruns a buffer ends the program, as libc does it.
static void overrun(const char* path, size_t room) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    close(2);
    char* small = malloc(4);
    _exit(readlink(path, small, room) < 0 ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("overrun: exit %d signal %d\n", WEXITSTATUS(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  const char* root = argv[1];
  volatile int flags = O_RDONLY;
  volatile size_t room = PATH_MAX;
  const char* names[] = {"/plain", "/link", "/dir", "/nope", "/closed/inside"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; ++i) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s", root, names[i]);
    char* text = malloc(room);
    memset(text, 0, room);
    const int fd = open(path, flags);
    printf("open %s: %s\n", names[i], fd < 0 ? failed() : "done");
    const int other = openat(AT_FDCWD, path, flags);
    printf("openat %s: %s\n", names[i], other < 0 ? failed() : "done");
    if (fd >= 0) {
      const ssize_t got = read(fd, text, room);
      show(root, "read", got < 0 ? failed() : text);
      const ssize_t again = pread(other, text, room, 2);
      show(root, "pread", again < 0 ? failed() : text);
      struct pollfd waiting = {fd, POLLIN, 0};
      printf("poll: %d\n", poll(&waiting, (nfds_t)(room / PATH_MAX), 0));
    }
    FILE* stream = fopen(path, "r");
    memset(text, 0, room);
    show(root, "fgets", stream == NULL ? failed() : fgets(text, (int)room, stream) == NULL ? failed() : text);
    if (stream != NULL) {
      rewind(stream);
      printf("fread: %zu\n", fread(text, 1, room, stream));
      fclose(stream);
    }
    memset(text, 0, room);
    show(root, "readlink", readlink(path, text, room) < 0 ? failed() : text);
    memset(text, 0, room);
    show(root, "realpath", realpath(path, text) == NULL ? failed() : text);
    if (fd >= 0) {
      close(fd);
      close(other);
    }
    free(text);
  }
  char* here = malloc(room);
  printf("chdir: %d\n", chdir(root));
  show(root, "getcwd", getcwd(here, room) == NULL ? failed() : here);
  overrun("link", room);
  overrun("link", room / 1024);
  free(here);
  return 0;
}
