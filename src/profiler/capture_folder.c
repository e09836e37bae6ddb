/* capture_folder.c: saved traces on the disk: what belongs to us is known by its name, and nothing else is touched. */
#include "profiler/capture_folder.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DATE_FORMAT "%Y%m%dT%H%M%SZ"
#define DATE_LENGTH 16
/* So that names fit. */
#define REQUEST_LENGTH_MAX 18
#define DIGITS_MAX 14
/* Writing one takes seconds; a part that is older was left by a program that was killed. */
#define PART_AGE_NS (3600 * (int64_t)NS_PER_S)
/* Traces are capped far below (profiler/trace.h); this is something else under a name of ours. */
#define READ_MAX_BYTES (128ll << 20)
#define READ_BLOCK_BYTES (256u * 1024)

static void write_date(char date[DATE_LENGTH + 1], time_t seconds)
{
    struct tm utc;
    gmtime_r(&seconds, &utc);
    if (strftime(date, DATE_LENGTH + 1, DATE_FORMAT, &utc) == 0)
        *date = '\0';
}

void capture_name_write(char name[CAPTURE_NAME_BYTES], int64_t time_ns, const char *request, uint64_t duration_ns,
                        unsigned number)
{
    char date[DATE_LENGTH + 1], word[REQUEST_LENGTH_MAX + 1], suffix[4] = "";
    size_t length = 0;
    for (const char *c = request; *c && length < REQUEST_LENGTH_MAX; c++)
        if (isalnum((unsigned char)*c))
            word[length++] = *c;
    word[length] = '\0';
    write_date(date, (time_t)(time_ns / (int64_t)NS_PER_S));
    if (number > 1)
        snprintf(suffix, sizeof suffix, "-%u", number % (CAPTURES_ALIKE_MAX + 1));
    snprintf(name, CAPTURE_NAME_BYTES, "%s-%s-%llums%s" CAPTURE_ENDING, date, length > 0 ? word : "request",
             duration_ns / NS_PER_MS, suffix);
}

/* What strptime takes and we would not write ourselves (spaces, the 31st of June) is none. */
static const char *read_date(const char *text, int64_t *time_ns)
{
    struct tm utc = {0};
    char date[DATE_LENGTH + 1];
    const char *rest = strptime(text, DATE_FORMAT, &utc);
    if (!rest)
        return NULL;
    time_t seconds = timegm(&utc);
    write_date(date, seconds);
    *time_ns = (int64_t)seconds * (int64_t)NS_PER_S;
    return rest == text + DATE_LENGTH && strncmp(text, date, DATE_LENGTH) == 0 ? rest : NULL;
}

static size_t span(const char *text, int (*is_class)(int c))
{
    size_t length = 0;
    while (is_class((unsigned char)text[length]))
        length++;
    return length;
}

/* Past the number of one of several alike, if there is one; NULL: one that would not be written so. */
static const char *skip_number(const char *text)
{
    if (*text != '-')
        return text;
    size_t length = span(++text, isdigit);
    int number = atoi(text);
    bool is_ours = number > 1 && number <= CAPTURES_ALIKE_MAX && length == (number > 9 ? 2 : 1);
    return is_ours ? text + length : NULL;
}

bool capture_name_read(const char *name, const char *ending, int64_t *time_ns)
{
    const char *at = read_date(name, time_ns);
    if (!at || *at++ != '-')
        return false;
    size_t length = span(at, isalnum);
    at += length;
    if (length == 0 || length > REQUEST_LENGTH_MAX || *at++ != '-')
        return false;
    length = span(at, isdigit);
    at += length;
    if (length == 0 || length > DIGITS_MAX || strncmp(at, "ms", 2) != 0)
        return false;
    at = skip_number(at + 2);
    return at && strcmp(at, ending) == 0;
}

int capture_folder_make(const char *folder)
{
    char *path = mem_copy_string(folder);
    int rc = 0;
    for (char *end = path; rc == 0 && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char separator = *end;
        *end = '\0';
        if (TEMP_FAILURE_RETRY(mkdir(path, 0755)) != 0 && errno != EEXIST)
            rc = -errno;
        *end = separator;
    }
    mem_free(path);
    return rc;
}

/* -EEXIST: a file has the name. Who has made the part is the only one who may give its name to a file, so what has the
 * name by then keeps it. */
static int create_part(const char *path, const char *part_path)
{
    int fd = TEMP_FAILURE_RETRY(open(part_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (fd < 0)
        return -errno;
    struct stat status;
    if (lstat(path, &status) != 0)
        return fd;
    close(fd);
    unlink(part_path);
    return -EEXIST;
}

int capture_folder_create(const char *folder, int64_t time_ns, const char *request, uint64_t duration_ns, char **path,
                          char **part_path)
{
    int fd = -EEXIST;
    *path = *part_path = NULL;
    for (unsigned number = 1; fd == -EEXIST && number <= CAPTURES_ALIKE_MAX; number++) {
        char name[CAPTURE_NAME_BYTES];
        mem_free(*path);
        mem_free(*part_path);
        capture_name_write(name, time_ns, request, duration_ns, number);
        *path = mem_printf("%s/%s", folder, name);
        *part_path = mem_printf("%s.tmp", *path);
        fd = create_part(*path, *part_path);
    }
    return fd;
}

static int newest_first(const void *left, const void *right)
{
    const struct capture_file *a = left, *b = right;
    return a->time_ns != b->time_ns ? (a->time_ns < b->time_ns ? 1 : -1) : strcmp(b->name, a->name);
}

int capture_folder_list(const char *folder, const char *ending, struct capture_file **files)
{
    struct capture_file *found = NULL;
    int count = 0, capacity = 0;
    *files = NULL;
    DIR *directory = opendir(folder);
    if (!directory)
        return errno == ENOENT ? 0 : -errno;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat status;
        int64_t time_ns;
        if (!capture_name_read(entry->d_name, ending, &time_ns) ||
            fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
            continue;
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            found = mem_realloc(found, (size_t)capacity * sizeof *found);
        }
        struct capture_file *file = &found[count++];
        *file = (struct capture_file){.time_ns = time_ns, .size_bytes = (uint64_t)status.st_size};
        ASSERT(strlen(entry->d_name) < sizeof file->name); /* or it would be no name of ours */
        memcpy(file->name, entry->d_name, strlen(entry->d_name));
    }
    closedir(directory);
    if (count > 0)
        qsort(found, (size_t)count, sizeof *found, newest_first);
    *files = found;
    return count;
}

static bool remove_file(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    bool removed = TEMP_FAILURE_RETRY(unlink(path)) == 0;
    if (!removed)
        log_warning("cannot remove a capture file=%s error=\"%s\"", path, error_text(-errno));
    mem_free(path);
    return removed;
}

static void remove_parts(const char *folder, int64_t now_ns)
{
    struct capture_file *parts;
    int count = capture_folder_list(folder, CAPTURE_PART_ENDING, &parts);
    for (int i = 0; i < count; i++)
        if (parts[i].time_ns < now_ns - PART_AGE_NS)
            (void)remove_file(folder, parts[i].name);
    mem_free(parts);
}

uint64_t capture_folder_trim(const char *folder, int64_t now_ns, int64_t oldest_ns, uint64_t bytes_max)
{
    struct capture_file *files;
    uint64_t held_bytes = 0;
    bool is_full = false;
    int count = capture_folder_list(folder, CAPTURE_ENDING, &files);
    for (int i = 0; i < count; i++) {
        is_full |= held_bytes + files[i].size_bytes > bytes_max;
        bool goes = is_full || files[i].time_ns < oldest_ns;
        if (!goes || !remove_file(folder, files[i].name))
            held_bytes += files[i].size_bytes;
    }
    mem_free(files);
    remove_parts(folder, now_ns);
    return held_bytes;
}

static int read_all(int fd, struct buf *content)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return ERR_NOT_FOUND;
    if (status.st_size > READ_MAX_BYTES)
        return ERR_TOO_LARGE;
    buf_reserve(content, (size_t)status.st_size + READ_BLOCK_BYTES);
    ssize_t size;
    do {
        size = TEMP_FAILURE_RETRY(read(fd, buf_reserve(content, READ_BLOCK_BYTES), READ_BLOCK_BYTES));
        content->size += size > 0 ? (size_t)size : 0;
    } while (size > 0);
    return size < 0 ? -errno : 0;
}

int capture_folder_read(const char *folder, const char *name, struct buf *content)
{
    int64_t time_ns;
    if (!capture_name_read(name, CAPTURE_ENDING, &time_ns))
        return ERR_NOT_FOUND;
    char *path = mem_printf("%s/%s", folder, name);
    int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)), rc = fd < 0 ? -errno : 0;
    mem_free(path);
    if (rc == -ENOENT || rc == -ELOOP)
        return ERR_NOT_FOUND;
    if (rc < 0)
        return rc;
    rc = read_all(fd, content);
    close(fd);
    return rc;
}
