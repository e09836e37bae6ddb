/* pattern.c: Go's syntax translated to POSIX's extended one, with a bound on what the C library makes of it. */
#include "pprof/pattern.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>

#define LENGTH_MAX 4096
#define DEPTH_MAX 50
/* RE2's limit on counts. regcomp copies what is repeated, so nested counts multiply: that product is bounded too. */
#define REPEAT_MAX 1000
#define EXPANDED_MAX 5000

struct pattern {
    regex_t regex;
};

/* A set of bytes: a class in brackets. */
struct byte_set {
    bool has[256];
};

struct translator {
    const char *at;
    struct buf out;
    /* By depth of groups: how many atoms regcomp will see, and how many the last one stands for. */
    uint32_t expanded[DEPTH_MAX + 1], last[DEPTH_MAX + 1];
    uint32_t depth;
    bool can_repeat; /* an atom came before */
    bool is_broken;
};

static void put(struct translator *translator, const char *text)
{
    buf_append_string(&translator->out, text);
}

static void put_literal(struct translator *translator, char character)
{
    if (strchr(".[]()*+?{}|^$\\", character) != NULL)
        buf_append_byte(&translator->out, '\\');
    buf_append_byte(&translator->out, (uint8_t)character);
}

static void count_atom(struct translator *translator, uint32_t size)
{
    translator->last[translator->depth] = size;
    translator->expanded[translator->depth] += size;
    if (translator->expanded[translator->depth] > EXPANDED_MAX)
        translator->is_broken = true;
    translator->can_repeat = true;
}

static void literal(struct translator *translator, char character)
{
    put_literal(translator, character);
    count_atom(translator, 1);
}

/* --- classes --- */

static void set_range(struct byte_set *set, uint8_t from, uint8_t to)
{
    for (uint32_t i = from; i <= to; i++)
        set->has[i] = true;
}

/* What a letter behind a backslash stands for; false: for no class. */
static bool add_escaped_class(struct byte_set *set, char letter)
{
    struct byte_set named = {{false}};
    switch (tolower((unsigned char)letter)) {
    case 'w':
        named.has['_'] = true;
        set_range(&named, 'a', 'z');
        set_range(&named, 'A', 'Z'); /* fall through */
    case 'd':
        set_range(&named, '0', '9');
        break;
    case 's':
        for (const char *space = "\t\n\f\r "; *space != '\0'; space++)
            named.has[(uint8_t)*space] = true;
        break;
    default:
        return false;
    }
    bool is_opposite = isupper((unsigned char)letter);
    for (uint32_t i = 1; i < 256; i++)
        set->has[i] = set->has[i] || named.has[i] != is_opposite;
    return true;
}

/* A character written with a backslash; -1: it is none that is understood. */
static int escaped_character(struct translator *translator)
{
    static const char letters[] = "tnfrva", meanings[] = "\t\n\f\r\v\a";
    char letter = *translator->at;
    if (letter == '\0')
        return -1;
    translator->at++;
    const char *known = strchr(letters, letter);
    if (known != NULL)
        return (uint8_t)meanings[known - letters];
    if ((uint8_t)letter < 128 && ispunct((unsigned char)letter))
        return (uint8_t)letter;
    if (letter != 'x')
        return -1;
    bool in_braces = *translator->at == '{';
    char digits[3] = {0};
    for (int i = 0; i < 2 && isxdigit((unsigned char)translator->at[i + in_braces]); i++)
        digits[i] = translator->at[i + in_braces];
    translator->at += strlen(digits) + in_braces;
    if (in_braces && *translator->at != '}')
        return -1;
    translator->at += in_braces;
    long value = strtol(digits, NULL, 16);
    return value > 0 && value < 128 ? (int)value : -1;
}

/* "[:alpha:]" within a class; false: it is not one. */
static bool add_named_class(struct translator *translator, struct byte_set *set)
{
    static const struct {
        const char *name;
        int (*contains)(int character);
    } classes[] = {{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl}, {"digit", isdigit},
                   {"graph", isgraph}, {"lower", islower}, {"print", isprint}, {"punct", ispunct}, {"space", isspace},
                   {"upper", isupper}, {"xdigit", isxdigit}};
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        size_t length = strlen(classes[i].name);
        if (strncmp(translator->at, "[:", 2) != 0 || strncmp(translator->at + 2, classes[i].name, length) != 0 ||
            strncmp(translator->at + 2 + length, ":]", 2) != 0)
            continue;
        for (int j = 1; j < 128; j++)
            set->has[j] = set->has[j] || classes[i].contains(j);
        translator->at += length + 4;
        return true;
    }
    return false;
}

/* One end of a range, or -1. */
static int class_character(struct translator *translator)
{
    if (*translator->at == '\0' || (uint8_t)*translator->at >= 128)
        return -1;
    if (*translator->at == '\\') {
        translator->at++;
        return escaped_character(translator);
    }
    return (uint8_t)*translator->at++;
}

static void add_class_item(struct translator *translator, struct byte_set *set)
{
    if (*translator->at == '[' && translator->at[1] == ':') {
        if (!add_named_class(translator, set))
            translator->is_broken = true;
        return;
    }
    if (*translator->at == '\\' && add_escaped_class(set, translator->at[1])) {
        translator->at += 2;
        return;
    }
    int from = class_character(translator), to = from;
    if (from > 0 && *translator->at == '-' && translator->at[1] != ']' && translator->at[1] != '\0') {
        translator->at++;
        to = class_character(translator);
    }
    if (from < 0 || to < from)
        translator->is_broken = true;
    else
        set_range(set, (uint8_t)from, (uint8_t)to);
}

/* Brackets give ']', '^', '[' and '-' their meaning by where they stand. */
static void put_set(struct translator *translator, struct byte_set *set)
{
    static const char last[] = "[^-";
    uint32_t count = 0;
    char only = 0;
    for (uint32_t i = 1; i < 256; i++) {
        if (set->has[i]) {
            count++;
            only = (char)i;
        }
    }
    if (count == 0)
        translator->is_broken = true;
    else if (count == 1)
        put_literal(translator, only);
    else if (count == 2 && set->has['^'] && set->has['-'])
        put(translator, "(\\^|-)");
    else {
        put(translator, set->has[']'] ? "[]" : "[");
        for (uint32_t i = 1; i < 256; i++) {
            if (set->has[i] && i != ']' && strchr(last, (int)i) == NULL)
                buf_append_byte(&translator->out, (uint8_t)i);
        }
        for (const char *character = last; *character != '\0'; character++) {
            if (set->has[(uint8_t)*character])
                buf_append_byte(&translator->out, (uint8_t)*character);
        }
        put(translator, "]");
    }
    count_atom(translator, 1);
}

static void translate_class(struct translator *translator)
{
    struct byte_set set = {{false}};
    bool is_negated = *translator->at == '^', is_first = true;
    translator->at += is_negated;
    while (!translator->is_broken && (*translator->at != ']' || is_first)) {
        add_class_item(translator, &set);
        is_first = false;
    }
    if (translator->is_broken)
        return;
    translator->at++;
    for (uint32_t i = 1; i < 256; i++)
        set.has[i] = set.has[i] != is_negated;
    put_set(translator, &set);
}

/* --- the rest --- */

static void translate_escape(struct translator *translator)
{
    struct byte_set set = {{false}};
    char letter = *translator->at;
    if (add_escaped_class(&set, letter)) {
        translator->at++;
        put_set(translator, &set);
    } else if (letter == 'b' || letter == 'B') {
        translator->at++;
        put(translator, letter == 'b' ? "\\b" : "\\B");
        count_atom(translator, 1);
    } else if (letter == 'A' || letter == 'z') {
        translator->at++;
        put(translator, letter == 'A' ? "^" : "$");
        translator->can_repeat = false;
    } else if (letter == 'Q') {
        const char *end = strstr(++translator->at, "\\E");
        const char *behind = end == NULL ? translator->at + strlen(translator->at) : end;
        while (translator->at < behind)
            literal(translator, *translator->at++);
        translator->at += end == NULL ? 0 : 2;
    } else {
        int character = escaped_character(translator);
        if (character < 0)
            translator->is_broken = true;
        else
            literal(translator, (char)character);
    }
}

static void open_group(struct translator *translator)
{
    if (*translator->at == '?') { /* "(?:" and names; what is in the group matters, who it is does not */
        const char *name = translator->at + 1;
        name += *name == 'P';
        const char *end = *name == '<' ? strchr(name, '>') : NULL;
        if (translator->at[1] == ':')
            translator->at += 2;
        else if (end != NULL && end > name + 1 && name[1] != '=' && name[1] != '!')
            translator->at = end + 1;
        else
            translator->is_broken = true;
    }
    if (translator->depth == DEPTH_MAX) {
        translator->is_broken = true;
        return;
    }
    translator->depth++;
    translator->expanded[translator->depth] = 0;
    translator->can_repeat = false;
    put(translator, "(");
}

static void close_group(struct translator *translator)
{
    if (translator->depth == 0) {
        translator->is_broken = true;
        return;
    }
    uint32_t size = translator->expanded[translator->depth--];
    put(translator, ")");
    count_atom(translator, size + 1);
}

/* "{2,5}" behind the brace; false: it is a brace and no count. */
static bool translate_count(struct translator *translator)
{
    char *end;
    if (!isdigit((unsigned char)*translator->at))
        return false;
    unsigned long from = strtoul(translator->at, &end, 10), to = from;
    bool is_open = *end == ',' && end[1] == '}';
    if (is_open)
        end++;
    else if (*end == ',' && isdigit((unsigned char)end[1]))
        to = strtoul(end + 1, &end, 10);
    if (*end != '}')
        return false;
    translator->at = end + 1;
    if (!translator->can_repeat || from > REPEAT_MAX || to > REPEAT_MAX || to < from) {
        translator->is_broken = true;
        return true;
    }
    if (is_open)
        buf_printf(&translator->out, "{%lu,}", from);
    else
        buf_printf(&translator->out, "{%lu,%lu}", from, to);
    uint32_t copies = to > 1 ? (uint32_t)to - 1 : 0;
    uint64_t more = (uint64_t)translator->last[translator->depth] * copies;
    if (more > EXPANDED_MAX)
        translator->is_broken = true;
    else
        count_atom(translator, (uint32_t)more);
    return true;
}

static void finish_repeat(struct translator *translator)
{
    translator->at += *translator->at == '?'; /* lazy: the same texts match */
    translator->can_repeat = false;
}

static void translate_character(struct translator *translator)
{
    size_t width = utf8_character_size(bytes_of_string(translator->at));
    if (width > 1) { /* what follows repeats all of it */
        put(translator, "(");
        buf_append(&translator->out, translator->at, width);
        put(translator, ")");
        translator->at += width;
        count_atom(translator, 1);
        return;
    }
    char character = *translator->at++;
    switch (character) {
    case '\\':
        translate_escape(translator);
        break;
    case '[':
        translate_class(translator);
        break;
    case '(':
        open_group(translator);
        break;
    case ')':
        close_group(translator);
        break;
    case '*':
    case '+':
    case '?':
        if (!translator->can_repeat)
            translator->is_broken = true;
        buf_append_byte(&translator->out, (uint8_t)character);
        finish_repeat(translator);
        break;
    case '{':
        if (translate_count(translator))
            finish_repeat(translator);
        else
            literal(translator, '{');
        break;
    case '|':
    case '^':
    case '$':
        buf_append_byte(&translator->out, (uint8_t)character);
        translator->can_repeat = false;
        break;
    case '.':
        put(translator, ".");
        count_atom(translator, 1);
        break;
    default:
        literal(translator, character);
    }
}

static int translate(struct translator *translator, bool is_whole)
{
    if (is_whole)
        put(translator, "^(");
    while (!translator->is_broken && *translator->at != '\0')
        translate_character(translator);
    if (is_whole)
        put(translator, ")$");
    return translator->is_broken || translator->depth > 0 ? ERR_MALFORMED : 0;
}

int pattern_compile(const char *expression, bool is_whole, struct pattern **pattern)
{
    *pattern = NULL;
    if (strlen(expression) > LENGTH_MAX)
        return ERR_MALFORMED;
    int flags = REG_EXTENDED | REG_NOSUB;
    struct translator translator = {.at = expression};
    if (strncmp(expression, "(?i)", 4) == 0) {
        translator.at += 4;
        flags |= REG_ICASE;
    }
    buf_init(&translator.out);
    int result = translate(&translator, is_whole);
    if (result == 0) {
        struct pattern *compiled = MEM_NEW(struct pattern);
        if (regcomp(&compiled->regex, buf_string(&translator.out), flags) == 0) {
            *pattern = compiled;
        } else {
            mem_free(compiled);
            result = ERR_MALFORMED;
        }
    }
    buf_deinit(&translator.out);
    return result;
}

void pattern_destroy(struct pattern *pattern)
{
    if (pattern == NULL)
        return;
    regfree(&pattern->regex);
    mem_free(pattern);
}

bool pattern_matches(const struct pattern *pattern, struct bytes text)
{
    regmatch_t part = {.rm_so = 0, .rm_eo = (regoff_t)text.size};
    return regexec(&pattern->regex, text.data == NULL ? "" : (const char *)text.data, 1, &part, REG_STARTEND) == 0;
}
