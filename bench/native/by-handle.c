/*
 * The limit of what a PKCS#11 library can give: data objects read by handle from C, nothing in between.
 *
 *   by-handle MODULE SERIAL PINFILE
 *
 * Then lines "OPERATION COUNT" on standard input: create, read, list or destroy. Each is answered by one line with
 * the microseconds that every single one took. Objects that "create" makes are what "destroy" destroys, last first.
 * It knows as much of the ABI as it calls: PKCS#11 2.40, section 3.6, gives the places of functions in the list.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef unsigned long ulong_t;
typedef struct { ulong_t type; void *value; ulong_t length; } attribute_t;
typedef struct { unsigned char version[8]; void *f[68]; } list_t;
typedef struct { void *mutex[4]; ulong_t flags; void *reserved; } arguments_t;
typedef struct { unsigned char names[80], serial[16]; ulong_t numbers[11]; unsigned char rest[32]; } token_info_t;

enum { INITIALIZE = 0, FINALIZE = 1, SLOT_LIST = 4, TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18, CREATE = 20,
       DESTROY = 22, GET = 24, FIND_INIT = 26, FIND = 27, FIND_FINAL = 28 };
enum { CLASS = 0, TOKEN = 1, PRIVATE = 2, LABEL = 3, APPLICATION = 16, VALUE = 17 };
enum { MOST = 100000, LARGEST = 65536 };

static list_t *list;
static ulong_t session, handles[MOST], count, made[MOST], made_count;
static unsigned char buffer[LARGEST];

#define CALL(index, ...) ((ulong_t (*)())list->f[index])(__VA_ARGS__)

static void check(ulong_t rv, const char *what) {
  if (rv == 0) return;
  fprintf(stderr, "by-handle: %s failed with 0x%lx\n", what, rv);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void find_all(void) {
  ulong_t got = 0;
  count = 0;
  check(CALL(FIND_INIT, session, (void *)0, 0UL), "C_FindObjectsInit");
  do {
    check(CALL(FIND, session, handles + count, 256UL, &got), "C_FindObjects");
    count += got;
  } while (got > 0 && count + 256 < MOST);
  check(CALL(FIND_FINAL, session), "C_FindObjectsFinal");
}

static void read_one(ulong_t handle) {
  attribute_t value = {VALUE, buffer, sizeof buffer};
  check(CALL(GET, session, handle, &value, 1UL), "C_GetAttributeValue");
}

static void list_all(void) {
  char label[512], application[512];
  find_all();
  for (ulong_t i = 0; i < count; i++) {
    attribute_t names[2] = {{LABEL, label, sizeof label}, {APPLICATION, application, sizeof application}};
    check(CALL(GET, session, handles[i], names, 2UL), "C_GetAttributeValue");
  }
}

static void create_one(void) {
  unsigned char yes = 1, value[1024];
  ulong_t data = 0;
  char label[64];
  int length = snprintf(label, sizeof label, "bench/c/%lu", made_count);
  memset(value, 'v', sizeof value);
  attribute_t template[6] = {{CLASS, &data, sizeof data}, {TOKEN, &yes, 1}, {PRIVATE, &yes, 1},
                             {LABEL, label, (ulong_t)length}, {APPLICATION, "bench", 5}, {VALUE, value, sizeof value}};
  check(CALL(CREATE, session, template, 6UL, &made[made_count]), "C_CreateObject");
  made_count++;
}

static void open_token(const char *module, const char *serial, const char *pin_file) {
  arguments_t arguments = {.flags = 2};
  ulong_t slots[64], slot_count = 64;
  char pin[64];
  FILE *file = fopen(pin_file, "r");
  size_t pin_length = file == NULL ? 0 : fread(pin, 1, sizeof pin, file);
  void *library = dlopen(module, RTLD_NOW);
  if (library == NULL || pin_length == 0) exit(1);
  check(((ulong_t (*)(list_t **))dlsym(library, "C_GetFunctionList"))(&list), "C_GetFunctionList");
  check(CALL(INITIALIZE, &arguments), "C_Initialize");
  check(CALL(SLOT_LIST, 1, slots, &slot_count), "C_GetSlotList");
  for (ulong_t i = 0; i < slot_count; i++) {
    token_info_t info;
    check(CALL(TOKEN_INFO, slots[i], &info), "C_GetTokenInfo");
    if (memcmp(info.serial, serial, 16) != 0) continue;
    check(CALL(OPEN_SESSION, slots[i], 6UL, (void *)0, (void *)0, &session), "C_OpenSession");
    check(CALL(LOGIN, session, 1UL, pin, (ulong_t)pin_length), "C_Login");
  }
  if (session == 0) exit(1);
}

int main(int argc, char **argv) {
  char operation[32];
  ulong_t times, at = 0;
  if (argc != 4 || strlen(argv[2]) != 16) {
    fprintf(stderr, "usage: by-handle MODULE SERIAL PINFILE\n");
    return 2;
  }
  open_token(argv[1], argv[2], argv[3]);
  find_all();
  puts("ready");
  fflush(stdout);
  while (scanf("%31s %lu", operation, &times) == 2) {
    for (ulong_t i = 0; i < times; i++) {
      double begun = now();
      if (strcmp(operation, "read") == 0) read_one(handles[at++ % count]);
      else if (strcmp(operation, "list") == 0) list_all();
      else if (strcmp(operation, "create") == 0) create_one();
      else if (strcmp(operation, "destroy") == 0) check(CALL(DESTROY, session, made[--made_count]), "C_DestroyObject");
      printf("%.2f ", now() - begun);
    }
    puts("");
    fflush(stdout);
  }
  CALL(FINALIZE, (void *)0);
  return 0;
}
