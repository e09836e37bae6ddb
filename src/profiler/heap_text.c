/* heap_text.c: a line for all, a record for each stack, and what the allocator and the kernel say of the memory. */
#include "profiler/heap_text.h"

#include "profiler/collection.h"
#include "profiler/heap.h"
#include "profiler/heap_blocks.h"
#include "profiler/text.h"

#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* In the order of the columns. */
struct amount {
    int64_t objects, bytes;
};

/* Readers of this format multiply by 1 / (1 - exp(-size / rate)), size being the average of the record: it was made for
 * samples as they were counted. So what they will multiply by is taken out again. Of samples that were taken at a finer
 * rate than today's, less than half a one may be left: that is none, or pprof finds bytes of no objects. */
static struct amount unscaled(const int64_t *columns)
{
    double rate = (double)heap_rate(), objects = (double)columns[0], bytes = (double)columns[1];
    if (rate <= 1 || objects <= 0)
        return (struct amount){columns[0], columns[1]};
    double probability = -expm1(-bytes / objects / rate);
    int64_t count = llround(objects * probability);
    return (struct amount){count, count > 0 ? llround(bytes * probability) : 0};
}

static void write_amounts(struct buf *text, struct amount in_use, struct amount allocated)
{
    buf_printf(text, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "]", in_use.objects, in_use.bytes,
               allocated.objects, allocated.bytes);
}

static void write_head(struct buf *text, const struct stack_entry *entry)
{
    write_amounts(text, unscaled(entry->values + 2), unscaled(entry->values));
}

static void add(struct amount *sum, struct amount more)
{
    sum->objects += more.objects;
    sum->bytes += more.bytes;
}

static void write_line(struct buf *text, const char *name, uint64_t value)
{
    buf_printf(text, "# %s = %" PRIu64 "\n", name, value);
}

static uint64_t resident_bytes(void)
{
    uint64_t size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Of Go's lines those that are true here, and what they mean here: HeapAlloc is what malloc has given out, HeapIdle
 * what it holds free, HeapSys both. */
static void write_memory(struct buf *text)
{
    struct mallinfo2 info = mallinfo2();
    struct heap_blocks_stats sampled = heap_blocks_stats();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    buf_append_string(text, "\n# runtime.MemStats\n"); /* an empty line more, as Go has it */
    if (info.arena + info.hblkhd > 0) { /* else it is not glibc's malloc: a build with sanitizers */
        uint64_t system = info.arena + info.hblkhd + sampled.held_bytes;
        uint64_t idle = info.fordblks + sampled.free_bytes;
        write_line(text, "Alloc", info.uordblks + info.hblkhd + sampled.used_bytes);
        write_line(text, "HeapAlloc", info.uordblks + info.hblkhd + sampled.used_bytes);
        write_line(text, "HeapSys", system);
        write_line(text, "HeapIdle", idle);
        write_line(text, "HeapInuse", system - idle);
    }
    write_line(text, "RSS", resident_bytes());
    write_line(text, "MaxRSS", (uint64_t)usage.ru_maxrss * 1024);
}

void heap_text_write(struct collection *collection, struct buf *text)
{
    size_t count;
    struct amount in_use = {0}, allocated = {0};
    const struct stack_entry *entries = stack_table_sort(collection->stacks, &count);
    for (size_t i = 0; i < count; i++) {
        add(&allocated, unscaled(entries[i].values));
        add(&in_use, unscaled(entries[i].values + 2));
    }
    /* Equal ones would make pprof read the records as of two columns only. */
    allocated.bytes += allocated.bytes == in_use.bytes;
    buf_append_string(text, "heap profile: ");
    write_amounts(text, in_use, allocated);
    int64_t rate = heap_rate();
    /* Twice the rate, as it has been written since before Go. */
    buf_printf(text, " @ heap/%" PRId64 "\n", 2 * (rate > 0 ? rate : 1));
    struct text_writer *writer = text_writer_create(collection, text);
    text_write_entries(writer, write_head);
    text_writer_destroy(writer);
    write_memory(text);
}
