/* planted.c: faults for a broker to have, preloaded into it: a leak for each connection that it accepts, slow writes
 * and fsyncs, checksums that take long to compute, writes that spin or hang. A profile must then name the functions
 * below, or a trace who called them.
 *
 * The environment's PLANTED names a folder. A fault is planted while its file is there, and is as large as the file
 * says: leak ("COUNT BYTES" a connection), slow_write, slow_sync and slow_checksum ("MILLISECONDS N": one in N calls, or
 * each), spinning_write (anything), hanging_write (a FIFO: until somebody opens it for writing). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void *volatile planted_kept; /* so that no compiler takes the leak away */

/* Its path; false: it is not planted. */
static int find(const char *fault, char *path, size_t capacity)
{
    const char *folder = getenv("PLANTED");
    snprintf(path, capacity, "%s/%s", folder ? folder : "/nonexistent", fault);
    return access(path, F_OK) == 0;
}

/* The numbers in its file; those that are not there stay 0. */
static int read_fault(const char *fault, long *first, long *second)
{
    char path[512], text[64] = "";
    if (!find(fault, path, sizeof path))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    return size > 0 && sscanf(text, "%ld %ld", first, second) > 0;
}

/* How long a call has to take now. `count`: of its calls so far. */
static long due_ms(const char *fault, atomic_long *count)
{
    long ms = 0, one_in = 0;
    if (!read_fault(fault, &ms, &one_in) || (one_in > 1 && atomic_fetch_add(count, 1) % one_in != one_in - 1))
        return 0;
    return ms;
}

__attribute__((noinline)) void planted_leak(long count, long bytes)
{
    for (long i = 0; i < count; i++)
        planted_kept = malloc((size_t)bytes);
}

__attribute__((noinline)) void planted_delay(long ms)
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0)
        ;
}

__attribute__((noinline)) void planted_compute(long ms)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < ms * 1000000);
}

__attribute__((noinline)) void planted_spin(const char *path)
{
    do {
        for (volatile long i = 0; i < 10000000; i = i + 1)
            ;
    } while (access(path, F_OK) == 0);
}

__attribute__((noinline)) void planted_hang(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
}

int accept4(int listener, struct sockaddr *address, socklen_t *size, int flags)
{
    long count = 0, bytes = 0;
    int fd = (int)syscall(SYS_accept4, listener, address, size, flags);
    if (fd >= 0 && read_fault("leak", &count, &bytes))
        planted_leak(count, bytes);
    return fd;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t position)
{
    static atomic_long count;
    char path[512];
    long ms = due_ms("slow_write", &count);
    if (ms > 0)
        planted_delay(ms);
    if (find("spinning_write", path, sizeof path))
        planted_spin(path);
    if (find("hanging_write", path, sizeof path))
        planted_hang(path);
    return syscall(SYS_pwrite64, fd, data, size, position);
}

int fdatasync(int fd)
{
    static atomic_long count;
    long ms = due_ms("slow_sync", &count);
    if (ms > 0)
        planted_delay(ms);
    return (int)syscall(SYS_fdatasync, fd);
}

/* ISA-L's: the checksum of each batch that is produced. */
unsigned int crc32_iscsi(unsigned char *data, int size, unsigned int crc)
{
    static atomic_long count;
    unsigned int (*real)(unsigned char *, int, unsigned int) =
        (unsigned int (*)(unsigned char *, int, unsigned int))dlsym(RTLD_NEXT, "crc32_iscsi");
    long ms = due_ms("slow_checksum", &count);
    if (ms > 0)
        planted_compute(ms);
    return real(data, size, crc);
}
