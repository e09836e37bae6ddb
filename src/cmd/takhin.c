/* takhin.c: the broker program: starts what the configuration asks for, waits for signals, stops in reverse. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "cmd/takhin_options.h"
#include "config/config.h"
#include "http/ports.h"
#include "metrics/metrics.h"
#include "profiler/profiler.h"
#include "runtime/reactor.h"
#include "storage/storage.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_FAILED 1

struct program {
    struct takhin_options options;
    struct config config;   /* of the start: what most modules run with until the end */
    struct config reloaded; /* by the last SIGHUP: what the profiler and the log run with; empty before the first */
    struct metrics *metrics;
    struct reactor *http_reactor;
    struct http_port *metrics_port, *health_port, *debug_port;
    struct profiler *profiler; /* NULL: disabled */
    char *debug_host;          /* where the debug port is, as it was asked for */
    uint16_t debug_port_number;
    struct storage *storage;
    struct broker *_Atomic broker; /* NULL until it serves */
    struct storage_progress progress;
};

static bool is_live(void *context)
{
    struct program *program = context;
    struct broker *broker = atomic_load(&program->broker);
    return !broker || broker_is_live(broker);
}

static bool is_ready(void *context, struct buf *json)
{
    struct program *program = context;
    if (atomic_load(&program->broker)) {
        buf_append_string(json, "{\"status\":\"ready\"}");
        return true;
    }
    buf_printf(json, "{\"status\":\"recovering\",\"partitions_done\":%u,\"partitions_total\":%u}",
               atomic_load(&program->progress.partitions_done), atomic_load(&program->progress.partitions_total));
    return false;
}

/* Warnings and errors of a configuration: to the log of a program that runs, to people else. */
static void print_report(const struct config_report *report)
{
    for (const struct config_message *message = report->first; message; message = message->next)
        fprintf(stderr, "%s: %s\n", message->is_error ? "error" : "warning", message->text);
}

static void log_report(const struct config_report *report)
{
    for (const struct config_message *message = report->first; message; message = message->next)
        log_write(message->is_error ? LOG_ERROR : LOG_WARNING, "configuration %s", message->text);
}

static int load_config(const struct program *program, struct config *config, struct config_report *report)
{
    struct config_sources sources = {program->options.config_file, (const char *const *)environ};
    return config_load(&sources, config, report);
}

static int start_profiler(struct program *program, const struct profiler_options *options)
{
    int rc = profiler_create(&program->profiler, options);
    if (rc < 0) {
        log_error("cannot start the profiler error=\"%s\"", error_text(rc));
        return rc;
    }
    rc = http_debug_port_open(&program->debug_port, program->http_reactor, options, program->profiler,
                              program->metrics);
    if (rc < 0) {
        profiler_destroy(program->profiler);
        program->profiler = NULL;
        return rc;
    }
    mem_free(program->debug_host);
    program->debug_host = mem_copy_string(options->host);
    program->debug_port_number = options->port;
    return 0;
}

static void stop_profiler(struct program *program)
{
    http_port_close(program->debug_port);
    program->debug_port = NULL;
    if (program->profiler)
        profiler_destroy(program->profiler);
    program->profiler = NULL;
}

static void end_while_starting(int number)
{
    static const char text[] = "stopped while it was starting\n";
    (void)number;
    _exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? EXIT_FAILED : EXIT_SUCCESS);
}

/* Recovery can take minutes. A request to stop ends it in the middle, which the data folder stands as it stands a
 * kill. */
static int open_storage(struct program *program)
{
    struct sigaction action = {.sa_handler = end_while_starting};
    sigset_t stopping;
    sigemptyset(&stopping);
    sigaddset(&stopping, SIGINT);
    sigaddset(&stopping, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &stopping, NULL);
    int rc = storage_open(&program->storage, &program->config.storage, &program->progress, NULL);
    pthread_sigmask(SIG_BLOCK, &stopping, NULL);
    return rc;
}

/* Health first: it says what the rest is doing. */
static int start(struct program *program)
{
    const struct config *config = &program->config;
    const struct http_health health = {is_live, is_ready, program};
    struct broker *broker;

    program->metrics = metrics_create();
    metrics_add_process(program->metrics, TAKHIN_VERSION);
    int rc = reactor_start(&program->http_reactor, &(struct reactor_options){.name = "debug"});
    if (rc < 0) {
        log_error("cannot start a thread error=\"%s\"", error_text(rc));
        return rc;
    }
    if (config->health.enabled)
        rc = http_health_port_open(&program->health_port, program->http_reactor, &config->health, &health);
    if (rc == 0 && config->metrics.enabled)
        rc = http_metrics_port_open(&program->metrics_port, program->http_reactor, &config->metrics, program->metrics);
    if (rc == 0 && config->profiler.enabled)
        rc = start_profiler(program, &config->profiler);
    if (rc == 0)
        rc = open_storage(program);
    if (rc < 0)
        return rc;
    rc = broker_start(&broker, &config->broker, program->storage, program->metrics);
    if (rc < 0)
        return rc;
    atomic_store(&program->broker, broker);
    return 0;
}

/* Whatever of it was started. Health closes first: a broker that stops is neither ready nor to be asked. */
static void stop(struct program *program)
{
    http_port_close(program->health_port);
    stop_profiler(program);
    if (program->broker)
        broker_stop(program->broker);
    http_port_close(program->metrics_port);
    storage_close(program->storage);
    if (program->http_reactor) {
        reactor_stop(program->http_reactor);
        reactor_join(program->http_reactor);
    }
    metrics_destroy(program->metrics);
}

/* To its new address, or back. The old one goes first: 0.0.0.0 cannot be had while the port of 127.0.0.1 is. */
static void move_profiler(struct program *program, const struct profiler_options *now)
{
    char *host = mem_copy_string(program->debug_host);
    struct profiler_options back = *now;
    back.host = host;
    back.port = program->debug_port_number;
    stop_profiler(program);
    if (start_profiler(program, now) < 0 && start_profiler(program, &back) == 0)
        log_warning("the debug port stays where it was, until the next reload host=%s port=%u", host,
                    http_port_number(program->debug_port));
    mem_free(host);
}

/* What cannot be started has said why; the broker goes on without. */
static void apply_profiler(struct program *program, const struct profiler_options *now)
{
    bool is_there = program->profiler && now->port == program->debug_port_number &&
                    strcmp(now->host, program->debug_host) == 0;
    if (!program->profiler && now->enabled)
        (void)start_profiler(program, now);
    else if (program->profiler && !now->enabled)
        stop_profiler(program);
    else if (is_there)
        profiler_reconfigure(program->profiler, now);
    else if (program->profiler)
        move_profiler(program, now);
}

/* SIGHUP: the profiler block and the log level; a bad file changes nothing. */
static void reload(struct program *program)
{
    struct config fresh;
    struct config_report report;
    struct buf keys;

    int rc = load_config(program, &fresh, &report);
    log_report(&report);
    config_report_free(&report);
    if (rc < 0) {
        log_error("configuration is bad, nothing was changed file=%s",
                  program->options.config_file ? program->options.config_file : "-");
        config_free(&fresh);
        return;
    }
    buf_init(&keys);
    if (config_reload_differs(&program->config, &fresh, &keys) > 0)
        log_warning("these keys take effect at the next start keys=\"%s\"", buf_string(&keys));
    buf_deinit(&keys);

    log_configure(fresh.log);
    apply_profiler(program, &fresh.profiler);
    config_free(&program->reloaded);
    program->reloaded = fresh;
    log_info("configuration reloaded profiler=%s level=%s", program->profiler ? "on" : "off",
             log_level_name(fresh.log.level));
}

/* Each segment of the log holds three descriptors and each connection one: take all that the system grants. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int print_text(void (*write_text)(struct buf *text), FILE *file)
{
    struct buf text;
    buf_init(&text);
    write_text(&text);
    fputs(buf_string(&text), file);
    buf_deinit(&text);
    return file == stderr ? CONFIG_EXIT_STATUS : EXIT_SUCCESS;
}

static void log_start(const struct program *program)
{
    const char *file = program->options.config_file, *data_dir = program->config.storage.data_dir;
    char *here = *data_dir == '/' ? NULL : getcwd(NULL, 0);
    log_info("starting version=%s pid=%d config=%s data_dir=%s%s%s", TAKHIN_VERSION, (int)getpid(),
             file ? file : "none", here ? here : "", here ? "/" : "", data_dir);
    free(here);
}

static int run(struct program *program, const sigset_t *signals, uint64_t start_ns)
{
    int number = 0;
    log_start(program);
    raise_descriptor_limit();
    int rc = start(program);
    if (rc == 0) {
        log_info("broker ready after_ms=%llu", (unsigned long long)((clock_monotonic_ns() - start_ns) / NS_PER_MS));
        while (sigwait(signals, &number) == 0 && number == SIGHUP)
            reload(program);
        log_info("stopping signal=%s", sigabbrev_np(number));
    }
    stop(program);
    if (rc == 0)
        log_info("stopped");
    config_free(&program->reloaded);
    mem_free(program->debug_host);
    return rc < 0 ? EXIT_FAILED : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct program program;
    uint64_t start_ns = clock_monotonic_ns();
    struct config_report report;
    struct buf message;

    buf_init(&message);
    if (takhin_options_parse(argc, argv, &program.options, &message) < 0) {
        fprintf(stderr, "takhin: %s\n\n", buf_string(&message));
        buf_deinit(&message);
        return print_text(takhin_options_write_usage, stderr);
    }
    buf_deinit(&message);
    if (program.options.action == TAKHIN_PRINT_HELP)
        return print_text(takhin_options_write_help, stdout);
    if (program.options.action == TAKHIN_PRINT_VERSION) {
        printf("takhin %s\n", TAKHIN_VERSION);
        return EXIT_SUCCESS;
    }

    /* The threads to come inherit this: signals are waited for here and interrupt nobody. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    int rc = load_config(&program, &program.config, &report);
    int status = CONFIG_EXIT_STATUS;
    if (rc == 0)
        log_configure(program.config.log);
    if (rc == 0 && program.options.action == TAKHIN_RUN)
        log_report(&report);
    else
        print_report(&report);
    config_report_free(&report);
    if (rc == 0) {
        status = EXIT_SUCCESS;
        if (program.options.action == TAKHIN_PRINT_CONFIG) {
            buf_init(&message);
            config_print(&program.config, &message);
            fputs(buf_string(&message), stdout);
            buf_deinit(&message);
        } else if (program.options.action == TAKHIN_CHECK_CONFIG) {
            printf("%s: the configuration is good\n",
                   program.options.config_file ? program.options.config_file : "defaults and environment");
        } else if (program.options.action == TAKHIN_RUN) {
            status = run(&program, &signals, start_ns);
        }
    }
    config_free(&program.config);
    return status;
}
