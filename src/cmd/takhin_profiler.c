/* takhin_profiler.c: the program that collects profiles from takhins, writes them, and shows what they say. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "cmd/profiler/analysis.h"
#include "cmd/profiler/collect.h"
#include "cmd/profiler/command.h"
#include "cmd/profiler/help.h"
#include "config/config.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* Shorter than between two that a person means. */
#define ECHO_NS (100 * NS_PER_MS)

/* One ends early what is collected, another gives up: who sends a third finds that neither helps. */
#define PATIENCE 2

enum exit_status { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = CONFIG_EXIT_STATUS, STATUS_SOME_FAILED = 3 };

static volatile sig_atomic_t interrupt_count;

/* One Ctrl-C may come twice: from the terminal, and passed on by a parent (timeout, sudo). */
static void on_signal(int number)
{
    static int last_number;
    static uint64_t last_ns;
    uint64_t now_ns = clock_monotonic_ns();
    if (number == last_number && now_ns - last_ns <= ECHO_NS)
        return;
    interrupt_count++;
    last_number = number;
    last_ns = now_ns;
    if (interrupt_count > PATIENCE) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

static void install_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};
    sigfillset(&stop.sa_mask); /* one at a time */
    for (size_t i = 0; i < ARRAY_COUNT(stopping); i++)
        sigaction(stopping[i], &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* a file size limit is an error of write(), with a message */
}

static int print(void (*write_text)(struct buf *text))
{
    struct buf text;
    buf_init(&text);
    write_text(&text);
    fwrite(text.data, 1, text.size, stdout);
    buf_deinit(&text);
    return 0;
}

static void write_version(struct buf *text)
{
    buf_append_string(text, "takhin-profiler " TAKHIN_VERSION "\n");
}

/* *some_are_done: of what was asked for, not all has failed. */
static int collect(const struct profiler_command *command, bool *some_are_done, struct buf *message)
{
    struct collect_outcome outcome;
    install_signals();
    int result = collect_run(command, &interrupt_count, &outcome, message);
    *some_are_done = outcome.done_count > 0;
    return result;
}

static int analyze(const struct profiler_command *command, bool *some_are_done, struct buf *message)
{
    int failed_count;
    int result = analysis_of_files(&command->analysis, command->files, command->file_count, command->quiet,
                                   &failed_count, message);
    *some_are_done = failed_count < command->file_count;
    return result;
}

static int run(const struct profiler_command *command, bool *some_are_done, struct buf *message)
{
    switch (command->action) {
    case PROFILER_COLLECT: return collect(command, some_are_done, message);
    case PROFILER_ANALYZE_FILES: return analyze(command, some_are_done, message);
    case PROFILER_PRINT_VERSION: return print(write_version);
    case PROFILER_PRINT_HELP: return print(help_write);
    case PROFILER_PRINT_MAN: return print(help_write_man);
    case PROFILER_PRINT_COMPLETION: return print(help_write_completion);
    }
    return ERR_UNSUPPORTED; /* there are no more */
}

static enum exit_status status_of(int result, bool some_are_done)
{
    if (result == 0)
        return STATUS_DONE;
    if (result == ERR_CONFIG)
        return STATUS_USAGE;
    return some_are_done ? STATUS_SOME_FAILED : STATUS_FAILED;
}

/* A file or a connection that got the number of a closed stream would have reports written into it. What is written to
 * the stream fails as it did. */
static void fill_closed_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    close(fd);
}

/* Who read it, as head does, had enough: the program ends as others do then, without a word. What was to be written to
 * files has been. */
static void end_if_unread(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLOUT};
    if (poll(&state, 1, 0) != 1 || (state.revents & POLLERR) == 0)
        return;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

int main(int argc, char **argv)
{
    struct profiler_command command;
    struct buf message;
    bool some_are_done = false;
    fill_closed_streams();
    buf_init(&message);
    int result = profiler_command_parse(argc, argv, &command, &message);
    if (result == 0)
        result = run(&command, &some_are_done, &message);
    if (message.size > 0)
        fprintf(stderr, "takhin-profiler: %s\n", buf_string(&message));
    if (result == ERR_CONFIG)
        fprintf(stderr, "takhin-profiler -h shows all flags.\n");
    buf_deinit(&message);
    if ((fflush(stdout) != 0 || ferror(stdout)) && result == 0) {
        end_if_unread(STDOUT_FILENO);
        perror("takhin-profiler: standard output");
        return STATUS_FAILED;
    }
    return (int)status_of(result, some_are_done);
}
