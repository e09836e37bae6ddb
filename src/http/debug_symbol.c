/* debug_symbol.c: what the program is called, and what its functions are. */
#include "http/debug_port.h"

#include "profiler/profiler.h"
#include "profiler/symbols.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The kernel keeps a NUL behind each argument; Go puts one between them only. */
void debug_answer_cmdline(struct http_exchange *exchange)
{
    struct buf arguments;
    buf_init(&arguments);
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t size = 0;
    do {
        arguments.size += (size_t)size;
        size = fd >= 0 ? read(fd, buf_reserve(&arguments, 4096), 4096) : 0;
    } while (size > 0);
    if (fd >= 0)
        close(fd);
    if (arguments.size > 0)
        arguments.size--;
    debug_answer_text(exchange, buf_bytes(&arguments));
    buf_deinit(&arguments);
}

struct symbol_lookup {
    struct symbols *symbols;
    const char *addresses; /* "0x4a0000+0x4a0010" */
    struct buf names;
};

/* One address up to the end or the next "+"; 0 for what is not a number, which counts as an unknown address. */
static uintptr_t read_address(const char **text)
{
    char *end = NULL;
    size_t length = strcspn(*text, "+");
    uintptr_t address = **text >= '0' && **text <= '9' ? strtoull(*text, &end, 0) : 0;
    if (end != *text + length)
        address = 0;
    *text += length + ((*text)[length] == '+');
    return address;
}

static void look_up_work(void *argument)
{
    struct symbol_lookup *lookup = argument;
    /* pprof only asks whether the number is 0: whether there are symbols here at all. */
    buf_append_string(&lookup->names, "num_symbols: 1\n");
    symbols_acquire(lookup->symbols);
    for (const char *rest = lookup->addresses; *rest;) {
        struct symbol_frame frames[SYMBOL_INLINE_MAX];
        uintptr_t address = read_address(&rest);
        if (address != 0 && symbols_resolve(lookup->symbols, address, false, frames, ARRAY_COUNT(frames)) > 0)
            buf_printf(&lookup->names, "%#lx %s\n", (unsigned long)address, frames[0].function);
    }
    symbols_release(lookup->symbols);
}

void debug_answer_symbol(struct http_exchange *exchange)
{
    struct debug_port *debug = exchange->context;
    const struct http_request *request = exchange->request;
    struct bytes addresses = request->allowed_by == HTTP_ALLOW_POST ? request->body : request->query;
    struct symbol_lookup lookup = {
        .symbols = profiler_symbols(debug->profiler),
        .addresses = arena_copy_bytes(request->arena, addresses),
    };
    buf_init(&lookup.names);
    if (debug_work(debug, "symbol", look_up_work, &lookup) == 0)
        debug_answer_text(exchange, buf_bytes(&lookup.names));
    buf_deinit(&lookup.names);
}
