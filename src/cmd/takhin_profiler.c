/* takhin_profiler.c: the program that collects a profile from a takhin, writes it, and shows what it says. */
#include "base/buf.h"
#include "base/error.h"
#include "cmd/profiler/target.h"
#include "cmd/profiler/command.h"
#include "cmd/profiler/content.h"
#include "cmd/profiler/fetch.h"
#include "cmd/profiler/files.h"
#include "cmd/profiler/output.h"
#include "config/config.h"

#include <signal.h>
#include <stdio.h>

/* Far above any real profile or trace. */
#define BODY_LIMIT ((size_t)256 << 20)

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void install_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_COUNT(stopping); i++)
        sigaction(stopping[i], &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file size limit is an error of write(), with a message */
}

static void print_buf(struct buf *text, FILE *stream)
{
    fwrite(text->data, 1, text->size, stream);
}

static int show(const struct profiler_command *command, void *read_back, size_t size, struct buf *message)
{
    const struct profiler_content *content = command->type->content;
    int result = 0;
    if (!command->quiet)
        content->print_report(command, read_back, size);
    if (command->analyze) {
        if (!command->quiet)
            putchar('\n');
        result = content->print_analysis(read_back, message);
    }
    if (command->flamegraph)
        printf("%sflame graph: go tool pprof -http=:8080 %s\n"
               "             then open http://localhost:8080/ui/flamegraph\n",
               command->quiet ? "" : "\n", command->output);
    return result;
}

/* What the server sent, as what it should be: or why not, and what came instead. */
static int read_body(const struct profiler_content *content, const char *address, struct bytes body,
                     void **read_back, struct buf *message)
{
    struct buf problem;
    buf_init(&problem);
    int result = content->read(body, read_back, &problem);
    if (result != 0) {
        buf_printf(message, "what %s sent is no %s: %s.\nIt begins with ", address, content->noun,
                   buf_string(&problem));
        fetch_describe(body, message);
        buf_append_string(message, ". Is that the debug port of a takhin?");
    }
    buf_deinit(&problem);
    return result;
}

static int collect(const struct profiler_command *command, struct profiler_address *from, struct buf *message)
{
    const struct profiler_content *content = command->type->content;
    struct output output;
    void *read_back = NULL;
    struct buf body, target;
    buf_init(&body);
    buf_init(&target);
    profiler_command_write_target(command, &target);
    const char *address = buf_string(&from->text);
    struct fetch fetch = {
        .address = address,
        .title = command->type->title,
        .noun = content->noun,
        .target = buf_string(&target),
        .duration_ns = profiler_command_window_ns(command),
        .body_limit = BODY_LIMIT,
        .quiet = command->quiet,
        .off_in = from->is_off ? command->config_file : NULL,
        .hint = profiler_command_hint(command),
        .interrupted = &interrupted,
    };
    int result = output_open(&output, command->output, message);
    if (result == 0)
        result = fetch_profile(&fetch, &body, message);
    if (result == 0)
        result = read_body(content, address, buf_bytes(&body), &read_back, message);
    if (result == 0)
        result = output_commit(&output, buf_bytes(&body), message);
    if (result == 0)
        result = show(command, read_back, body.size, message);
    output_close(&output);
    content->destroy(read_back);
    buf_deinit(&target);
    buf_deinit(&body);
    return result;
}

static int run(const struct profiler_command *command, struct buf *message)
{
    struct profiler_address address;
    install_signals();
    int result = profiler_address_find(command, &address, message);
    if (address.warnings.size > 0 && !command->quiet)
        fprintf(stderr, "%s\n", buf_string(&address.warnings));
    if (result == 0)
        result = collect(command, &address, message);
    profiler_address_deinit(&address);
    return result;
}

int main(int argc, char **argv)
{
    struct profiler_command command;
    struct buf message, help;
    buf_init(&message);
    buf_init(&help);

    int result = profiler_command_parse(argc, argv, &command, &message);
    if (result == 0 && command.action == PROFILER_PRINT_VERSION) {
        printf("takhin-profiler %s\n", TAKHIN_VERSION);
    } else if (result == 0 && command.action == PROFILER_PRINT_HELP) {
        profiler_command_write_help(&help);
        print_buf(&help, stdout);
    } else if (result == 0 && command.action == PROFILER_ANALYZE_FILES) {
        result = profiler_files_analyze(command.files, command.file_count, &message);
    } else if (result == 0) {
        result = run(&command, &message);
    }
    if (message.size > 0)
        fprintf(stderr, "takhin-profiler: %s\n", buf_string(&message));
    if (result == ERR_CONFIG)
        fprintf(stderr, "takhin-profiler -h shows all flags.\n");
    buf_deinit(&help);
    buf_deinit(&message);
    if ((fflush(stdout) != 0 || ferror(stdout)) && result == 0) {
        perror("takhin-profiler: standard output");
        result = ERR_IO;
    }
    return result == 0 ? 0 : result == ERR_CONFIG ? CONFIG_EXIT_STATUS : 1;
}
