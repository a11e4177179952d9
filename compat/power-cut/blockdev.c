/*
 * A disk that forgets: one file, "disk", served by FUSE. What was written is volatile until it is synced.
 *
 * Owns the volatile blocks. SIGUSR1 is the power cut: a random subset of them, chosen by the seed, reaches the image, the rest is lost, and
 * the process ends. Whole 4 KiB blocks survive or not, in no order, as in a drive with a write cache.
 *
 *   blockdev IMAGE MOUNTPOINT SIZE_MIB SEED
 *
 * The image may be of an earlier cut. Built with: cc -O2 blockdev.c $(pkg-config --cflags --libs fuse3)
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { block_bytes = 4096 };

static int image;
static size_t disk_bytes;
static size_t block_count;
static char **volatile_blocks; /* NULL: the image has the block */
static uint64_t random_state;

static const char disk_path[] = "/disk";

/* splitmix64 */
static uint64_t next_random(void) {
  uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void persist(size_t block) {
  if (pwrite(image, volatile_blocks[block], block_bytes, (off_t)(block * block_bytes)) != block_bytes) _exit(3);
}

/* Only calls that a signal handler may make: a request may be half done, which is what a cut does to a request. */
static void cut_power(int signal_number) {
  (void)signal_number;
  uint64_t keep_percent = next_random() % 101;
  for (size_t block = 0; block < block_count; block++)
    if (volatile_blocks[block] != NULL && next_random() % 100 < keep_percent) persist(block);
  _exit(0);
}

static int disk_getattr(const char *path, struct stat *stat, struct fuse_file_info *file) {
  (void)file;
  memset(stat, 0, sizeof *stat);
  if (strcmp(path, "/") == 0) {
    stat->st_mode = S_IFDIR | 0700;
    stat->st_nlink = 2;
    return 0;
  }
  if (strcmp(path, disk_path) != 0) return -ENOENT;
  stat->st_mode = S_IFREG | 0600;
  stat->st_nlink = 1;
  stat->st_size = (off_t)disk_bytes;
  return 0;
}

static int disk_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *file,
                        enum fuse_readdir_flags flags) {
  (void)path, (void)offset, (void)file, (void)flags;
  fill(buffer, disk_path + 1, NULL, 0, 0);
  return 0;
}

static int disk_open(const char *path, struct fuse_file_info *file) {
  if (strcmp(path, disk_path) != 0) return -ENOENT;
  file->direct_io = 1; /* the page cache above would keep what this disk forgets */
  return 0;
}

static int read_block(size_t block, char *into) {
  if (volatile_blocks[block] != NULL) {
    memcpy(into, volatile_blocks[block], block_bytes);
    return 0;
  }
  ssize_t count = pread(image, into, block_bytes, (off_t)(block * block_bytes));
  if (count < 0) return -errno;
  memset(into + count, 0, (size_t)(block_bytes - count));
  return 0;
}

static int disk_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)path, (void)file;
  if ((size_t)offset >= disk_bytes) return 0;
  if (size > disk_bytes - (size_t)offset) size = disk_bytes - (size_t)offset;
  char bytes[block_bytes];
  for (size_t done = 0; done < size;) {
    size_t at = (size_t)offset + done, within = at % block_bytes, count = block_bytes - within;
    if (count > size - done) count = size - done;
    int error = read_block(at / block_bytes, bytes);
    if (error != 0) return error;
    memcpy(buffer + done, bytes + within, count);
    done += count;
  }
  return (int)size;
}

static int disk_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)path, (void)file;
  if ((size_t)offset > disk_bytes || size > disk_bytes - (size_t)offset) return -ENOSPC;
  for (size_t done = 0; done < size;) {
    size_t at = (size_t)offset + done, block = at / block_bytes, within = at % block_bytes, count = block_bytes - within;
    if (count > size - done) count = size - done;
    if (volatile_blocks[block] == NULL) {
      char *bytes = malloc(block_bytes);
      if (bytes == NULL) return -ENOMEM;
      int error = read_block(block, bytes);
      if (error != 0) return free(bytes), error;
      volatile_blocks[block] = bytes;
    }
    memcpy(volatile_blocks[block] + within, buffer + done, count);
    done += count;
  }
  return (int)size;
}

/* What the loop device calls when the file system above flushes the disk's cache. */
static int disk_fsync(const char *path, int data_only, struct fuse_file_info *file) {
  (void)path, (void)data_only, (void)file;
  for (size_t block = 0; block < block_count; block++) {
    char *bytes = volatile_blocks[block];
    if (bytes == NULL) continue;
    persist(block);
    volatile_blocks[block] = NULL;
    free(bytes);
  }
  return 0;
}

static const struct fuse_operations operations = {
    .getattr = disk_getattr,
    .readdir = disk_readdir,
    .open = disk_open,
    .read = disk_read,
    .write = disk_write,
    .fsync = disk_fsync,
};

int main(int count, char **arguments) {
  if (count != 5) return fprintf(stderr, "usage: %s IMAGE MOUNTPOINT SIZE_MIB SEED\n", arguments[0]), 2;
  image = open(arguments[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (image < 0) return perror(arguments[1]), 1;
  disk_bytes = (size_t)strtoull(arguments[3], NULL, 10) << 20;
  block_count = disk_bytes / block_bytes;
  random_state = strtoull(arguments[4], NULL, 10);
  volatile_blocks = calloc(block_count, sizeof *volatile_blocks);
  if (volatile_blocks == NULL || ftruncate(image, (off_t)disk_bytes) != 0) return perror("blockdev"), 1;
  signal(SIGUSR1, cut_power);
  char foreground[] = "-f", single[] = "-s";
  char *fuse_arguments[] = {arguments[0], foreground, single, arguments[2], NULL};
  return fuse_main(4, fuse_arguments, &operations, NULL);
}
