/*
 * What the kernel alone can do: the floors under the benchmark's figures.
 *
 *   limits sink BYTES            one process writes from memory to a loopback socket, one only reads
 *   limits sendfile FILE BYTES   one process sends the file over and over, one only reads
 *   limits copy FILE TARGET BYTES   as sendfile; the other writes what it reads to a new file, which a third syncs all the time
 *
 * Prints: seconds, CPU seconds of the sender, CPU seconds of the receiver.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(int who) {
  struct rusage u;
  getrusage(who, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void read_only(int in, char *buffer, size_t chunk) {
  while (read(in, buffer, chunk) > 0) {
  }
}

/* The copy is on the medium when it returns. Reading goes on under a sync, as it does in a broker. */
static void read_and_write(int in, char *buffer, size_t chunk, const char *path) {
  int target = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600), news[2];
  if (target < 0 || pipe(news) < 0) fail(path);
  pid_t syncer = fork();
  if (syncer == 0) {
    char said[1 << 12];
    close(news[1]);
    while (read(news[0], said, sizeof said) > 0)
      if (fdatasync(target) < 0) fail(path);
    _exit(0);
  }
  close(news[0]);
  for (;;) {
    size_t have = 0;
    ssize_t got = 0;
    while (have < chunk && (got = read(in, buffer + have, chunk - have)) > 0) have += (size_t)got;
    if (have > 0 && (write(target, buffer, have) != (ssize_t)have || write(news[1], "", 1) != 1)) fail(path);
    if (got <= 0) break;
  }
  close(news[1]);
  waitpid(syncer, 0, 0);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const char *target = strcmp(argv[1], "copy") == 0 && argc == 5 ? argv[3] : 0;
  int file = -1;
  off_t file_bytes = 0;
  long long total = atoll(argv[argc - 1]);
  if (strcmp(argv[1], "sendfile") == 0 || target) {
    struct stat s;
    file = open(argv[2], O_RDONLY);
    if (file < 0 || fstat(file, &s) < 0 || s.st_size == 0) fail(argv[2]);
    file_bytes = s.st_size;
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0) fail("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  const size_t chunk = 1 << 20;
  char *buffer = malloc(chunk);
  memset(buffer, 1, chunk);
  pid_t receiver = fork();
  if (receiver == 0) {
    int in = accept(listener, 0, 0);
    if (target) read_and_write(in, buffer, chunk, target);
    else read_only(in, buffer, chunk);
    _exit(0);
  }
  int out = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(out, (struct sockaddr *)&address, length) < 0) fail("connect");
  double started = now(), used = cpu(RUSAGE_SELF);
  for (long long left = total; left > 0;) {
    size_t want = left < (long long)chunk ? (size_t)left : chunk;
    ssize_t sent;
    if (file >= 0) {
      off_t at = (total - left) % file_bytes;
      sent = sendfile(out, file, &at, want);
    } else {
      sent = write(out, buffer, want);
    }
    if (sent <= 0) fail("send");
    left -= sent;
  }
  used = cpu(RUSAGE_SELF) - used;
  close(out);
  waitpid(receiver, 0, 0);
  printf("%.6f %.6f %.6f\n", now() - started, used, cpu(RUSAGE_CHILDREN));
  return 0;
}
