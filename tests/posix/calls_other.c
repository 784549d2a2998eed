// What calls_library.c opens.
int other(void) {
  return 43;
}
