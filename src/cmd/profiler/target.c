/* target.c: -remote, or profiler.host and profiler.port of the configuration, as URLs or sockets to ask. */
#include "cmd/profiler/target.h"

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_PORT "6060"
#define DEFAULT_TLS_PORT "443"
#define FILE_PART_MAX 80 /* of the 255 bytes that a file's name may have */

static const char forms[] =
    "Write HOST:PORT, as in localhost:6060 or [::1]:6060, http(s)://USER:PASSWORD@HOST:PORT/PREFIX, or unix:PATH.\n"
    "Several have commas between; a comma in a password is %2C.";

/* Cut off the end, if it is there. */
static bool cut_suffix(char *text, const char *suffix)
{
    size_t length = strlen(text), size = strlen(suffix);
    if (length < size || strcmp(text + length - size, suffix) != 0)
        return false;
    text[length - size] = '\0';
    return true;
}

static void cut_slashes(char *text)
{
    while (cut_suffix(text, "/"))
        ;
}

/* The scheme's end, "http://" having 7; 0: there is none. */
static size_t scheme_length(const char *text)
{
    size_t length = strcspn(text, ":/");
    return strncmp(text + length, "://", 3) == 0 ? length + 3 : 0;
}

/* Part of a URL as memory of libcurl's; NULL: it has none. */
static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

/* User or password, decoded; NULL: it has none. False: it holds what no HTTP header can, such as %0A. */
static bool take_decoded(CURLU *url, CURLUPart part, char **decoded)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, CURLU_URLDECODE);
    *decoded = code == CURLUE_OK ? mem_copy_string(text) : NULL;
    curl_free(text);
    return code != CURLUE_URLDECODE;
}

/* What is left of the path once the index page's, as a browser has it, is cut off it. NULL, or what is wrong. */
static const char *set_prefix(CURLU *url, bool has_scheme)
{
    const char *problem = NULL;
    char *path = url_part(url, CURLUPART_PATH);
    ASSERT(path != NULL); /* "/" at least */
    cut_slashes(path);
    if (cut_suffix(path, "/debug/pprof"))
        cut_slashes(path);
    if (strstr(path, "/debug/pprof/") != NULL)
        problem = "it ends behind /debug/pprof/; what to collect is said by -type";
    else if (!has_scheme && *path != '\0')
        problem = "a path needs http:// or https:// in front";
    curl_url_set(url, CURLUPART_PATH, path, 0);
    curl_free(path);
    return problem;
}

/* NULL, or what is wrong with it. */
static const char *set_port(CURLU *url, const char *authority)
{
    char *port = url_part(url, CURLUPART_PORT), *scheme = url_part(url, CURLUPART_SCHEME);
    const char *problem = NULL;
    if (port != NULL ? atoi(port) < 1 : authority[strcspn(authority, "/") - 1] == ':')
        problem = "its port must be from 1 to 65535";
    else if (port == NULL)
        curl_url_set(url, CURLUPART_PORT, strcasecmp(scheme, "https") == 0 ? DEFAULT_TLS_PORT : DEFAULT_PORT, 0);
    curl_free(scheme);
    curl_free(port);
    return problem;
}

/* libcurl looks into ~/.netrc for the password of a user only if the URL names the user. */
static void name_user(CURLU *url, struct target *target)
{
    curl_url_set(url, CURLUPART_USER, target->user, CURLU_URLENCODE);
    char *whole = url_part(url, CURLUPART_URL);
    ASSERT(whole != NULL); /* it was one without */
    cut_slashes(whole);
    mem_free(target->url);
    target->url = mem_copy_string(whole);
    curl_free(whole);
}

static const char *take_parsed(CURLU *url, const char *text, bool has_scheme, struct target *target)
{
    const char *problem = set_port(url, text + scheme_length(text));
    if (problem != NULL)
        return problem;
    if (!take_decoded(url, CURLUPART_USER, &target->user) || !take_decoded(url, CURLUPART_PASSWORD, &target->password))
        return "its user or password has a control character";
    if (!has_scheme && target->user != NULL)
        return "a user and a password need http:// or https:// in front";
    problem = set_prefix(url, has_scheme);
    if (problem != NULL)
        return problem;
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    char *whole = url_part(url, CURLUPART_URL);
    if (whole == NULL)
        return "not an address";
    cut_slashes(whole);
    target->url = mem_copy_string(whole);
    target->name = mem_copy_string(whole + scheme_length(whole));
    curl_free(whole);
    if (target->user != NULL && target->password == NULL)
        name_user(url, target);
    return NULL;
}

/* NULL, or what is wrong with it. */
static const char *take_url(const char *item, struct target *target)
{
    size_t length = scheme_length(item);
    if (length > 0 && strncasecmp(item, "http://", length) != 0 && strncasecmp(item, "https://", length) != 0)
        return "only http:// and https:// can be asked";
    if (strchr(item, ' ') != NULL)
        return "no address has a space in it";
    if (strpbrk(item, "?#") != NULL)
        return "nothing behind a ? or # can be part of it";
    char *text = mem_printf("%s%s", length > 0 ? "" : "http://", item);
    CURLU *url = curl_url();
    ASSERT(url != NULL); /* only memory could fail */
    const char *problem = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK
                              ? take_parsed(url, text, length > 0, target)
                              : "not an address";
    curl_url_cleanup(url);
    mem_free(text);
    return problem;
}

/* unix:PATH, with or without the two slashes of a URL. */
static const char *take_socket(const char *path, struct target *target)
{
    if (strncmp(path, "//", 2) == 0) {
        path += 2;
        if (*path != '/')
            return "a socket's path stands right behind unix: or begins with a third slash";
    }
    if (*path == '\0' || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return "a socket's path has from 1 to 107 bytes";
    target->unix_path = mem_copy_string(path);
    target->url = mem_copy_string("http://localhost");
    target->name = mem_printf("unix:%s", path);
    return NULL;
}

static const char *take_item(const char *item, struct target *target)
{
    static const char socket[] = "unix:";
    if (*item == '\0')
        return "an address is missing";
    return strncasecmp(item, socket, strlen(socket)) == 0 ? take_socket(item + strlen(socket), target)
                                                          : take_url(item, target);
}

/* The name with what may not be in a file's name as "_"; _2 and so on where an earlier target has the same. */
static char *make_file_part(const struct target_list *list, const char *name)
{
    char plain[FILE_PART_MAX + 1];
    size_t length = 0;
    for (; *name != '\0' && length < FILE_PART_MAX; name++) {
        bool is_kept = (isascii(*name) && isalnum((unsigned char)*name)) || *name == '.' || *name == '-';
        if (is_kept)
            plain[length++] = *name;
        else if (length > 0 && plain[length - 1] != '_')
            plain[length++] = '_';
    }
    while (length > 0 && plain[length - 1] == '_')
        length--;
    plain[length] = '\0';

    char *part = mem_copy_string(plain);
    for (size_t i = 0, number = 2; i < list->count; i++) {
        if (strcasecmp(part, list->targets[i].file_part) != 0)
            continue;
        mem_free(part);
        part = mem_printf("%s_%zu", plain, number++);
        i = (size_t)-1; /* the new one may be another's, too */
    }
    return part;
}

static void target_deinit(struct target *target)
{
    mem_free(target->name);
    mem_free(target->file_part);
    mem_free(target->url);
    mem_free(target->user);
    mem_free(target->password);
    mem_free(target->unix_path);
}

static bool has_name(const struct target_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->targets[i].name, name) == 0)
            return true;
    return false;
}

/* NULL, or what is wrong with the item. */
static const char *add(struct target_list *list, const char *item)
{
    struct target target = {.name = NULL};
    const char *problem = take_item(item, &target);
    if (problem == NULL && has_name(list, target.name))
        problem = "it is named twice";
    if (problem != NULL) {
        target_deinit(&target);
        return problem;
    }
    target.file_part = make_file_part(list, target.name);
    list->targets = mem_realloc(list->targets, (list->count + 1) * sizeof(target));
    list->targets[list->count++] = target;
    return NULL;
}

/* Not what may be a part of a password: all up to an @, and where one is in the list, what no @ follows, as the
 * password may have had a comma in it. */
static void describe_item(const char *item, bool list_has_login, struct buf *text)
{
    size_t start = scheme_length(item);
    const char *login_end = strrchr(item, '@');
    if (!list_has_login)
        buf_append_string(text, item);
    else
        buf_printf(text, "%.*s...%s", (int)start, item, login_end != NULL ? login_end : "");
}

static int take_remote(struct target_list *list, const char *remote, struct buf *message)
{
    bool has_login = strchr(remote, '@') != NULL;
    int result = 0;
    size_t length;
    for (const char *at = remote;; at += length + 1) {
        length = strcspn(at, ",");
        char *item = mem_copy_bytes(bytes_of(at, length));
        const char *problem = add(list, item);
        if (problem != NULL) {
            buf_printf(message, "%s-remote ", result != 0 ? "\n" : "");
            result = ERR_CONFIG;
            describe_item(item, has_login, message);
            buf_printf(message, ": %s", problem);
        }
        mem_free(item);
        if (at[length] == '\0')
            break;
    }
    if (result != 0)
        buf_printf(message, "\n%s", forms);
    return result;
}

static int take_configured(struct target_list *list, const struct config *config, struct buf *message)
{
    const char *host = config->profiler.host;
    if (config->profiler.port == 0) {
        buf_append_string(message, "profiler.port is 0: takhin picks a free port and logs it; "
                                   "name it with -remote HOST:PORT");
        return ERR_CONFIG;
    }
    if (strcmp(host, "0.0.0.0") == 0 || *host == '\0')
        host = "127.0.0.1"; /* it listens everywhere, so here too */
    else if (strcmp(host, "::") == 0)
        host = "::1";
    char *item = mem_printf(strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, config->profiler.port);
    const char *problem = add(list, item);
    mem_free(item);
    if (problem == NULL)
        return 0;
    buf_printf(message, "profiler.host %s: %s; name the debug port with -remote HOST:PORT", host, problem);
    return ERR_CONFIG;
}

/* Into the errors or the warnings, one a line. */
static void take_report(const struct config_report *report, struct buf *warnings, struct buf *errors)
{
    for (const struct config_message *one = report->first; one != NULL; one = one->next) {
        struct buf *text = one->is_error ? errors : warnings;
        buf_printf(text, "%s%s", text->size > 0 ? "\n" : "", one->text);
    }
}

int target_list_init(struct target_list *list, const char *remote, const char *config_file, struct buf *message)
{
    *list = (struct target_list){.count = 0};
    buf_init(&list->warnings);
    if (remote != NULL)
        return take_remote(list, remote, message);

    struct config config;
    struct config_report report;
    struct config_sources sources = {.file = config_file, .environment = (const char *const *)environ};
    int result = config_load(&sources, &config, &report);
    take_report(&report, &list->warnings, message);
    if (result == 0)
        result = take_configured(list, &config, message);
    if (config_file != NULL && !config.profiler.enabled)
        list->off_in = config_file;
    config_report_free(&report);
    config_free(&config);
    return result;
}

void target_list_deinit(struct target_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        target_deinit(&list->targets[i]);
    mem_free(list->targets);
    buf_deinit(&list->warnings);
}

bool target_is_tls(const struct target *target)
{
    return strncmp(target->url, "https:", strlen("https:")) == 0;
}
