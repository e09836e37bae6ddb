/* help_completion.c: the script with which bash completes the flags of takhin-profiler, and their values. */
#include "cmd/profiler/help.h"

#include "cmd/profiler/command.h"

/* It calls nothing of the package bash-completion, which loads it as well as "source" does. In COMP_WORDS a "=" is a
 * word of its own unless COMP_WORDBREAKS was changed. */
static const char head[] =
    "# bash completion for takhin-profiler; made by takhin-profiler -completion\n"
    "\n"
    "_takhin_profiler_files()\n"
    "{\n"
    "    compopt -o filenames 2>/dev/null\n"
    "    mapfile -t COMPREPLY < <(\"$@\" | sort -u)\n"
    "}\n"
    "\n"
    "# Profiles and traces by their names; any file where there are none.\n"
    "_takhin_profiler_profiles()\n"
    "{\n"
    "    local suffix found=\n"
    "    for suffix in .prof .out .pprof .pb .pb.gz; do\n"
    "        compgen -f -X \"!*$suffix\" -- \"$1\" && found=yes\n"
    "    done\n"
    "    [[ $found ]] || compgen -f -- \"$1\"\n"
    "    compgen -d -- \"$1\"\n"
    "}\n"
    "\n"
    "_takhin_profiler()\n"
    "{\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} form=collect dash=- i\n"
    "    local front= is_behind_equals= flags\n"
    "    COMPREPLY=()\n"
    "    if [[ $word == -*=* ]]; then\n"
    "        front=${word%%=*}= before=${word%%=*} word=${word#*=} is_behind_equals=yes\n"
    "    elif [[ $word == = ]]; then\n"
    "        word= is_behind_equals=yes\n"
    "    elif [[ $before == = && COMP_CWORD -ge 2 ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD - 2]} is_behind_equals=yes\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        [[ ${COMP_WORDS[i]} == analyze ]] && form=analyze\n"
    "    done\n"
    "    [[ $word == --* ]] && dash=--\n"
    "    before=${before/#--/-}\n";

static const char tail[] =
    "    *)\n"
    "        if [[ $is_behind_equals ]]; then\n"
    "            mapfile -t COMPREPLY < <(compgen -W 'true false' -- \"$word\")\n"
    "        elif [[ $word == -* ]]; then\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"${flags[*]/#/$dash}\" -- \"$word\")\n"
    "        elif [[ $form == analyze ]]; then\n"
    "            _takhin_profiler_files _takhin_profiler_profiles \"$word\"\n"
    "        else\n"
    "            mapfile -t COMPREPLY < <(compgen -W \"analyze ${flags[*]/#/-}\" -- \"$word\")\n"
    "        fi\n"
    "        ;;\n"
    "    esac\n"
    "    COMPREPLY=(\"${COMPREPLY[@]/#/$front}\")\n"
    "}\n"
    "\n"
    "complete -F _takhin_profiler takhin-profiler\n";

/* "-type|-remote": the flags with values of that kind, as the pattern of a case. */
static void put_pattern(struct buf *text, enum command_flag_values values)
{
    const struct command_flag *flag;
    const char *separator = "    ";
    for (size_t i = 0; (flag = profiler_command_flag(i)) != NULL; i++) {
        if (flag->values != values)
            continue;
        buf_printf(text, "%s-%s", separator, flag->name);
        separator = " | ";
    }
    buf_append_string(text, ")\n");
}

/* What completes a value; a kind without a row has nothing to offer. */
static void put_values(struct buf *text, enum command_flag_values values, const char *action)
{
    put_pattern(text, values);
    buf_printf(text, "        %s\n        ;;\n", action);
}

static void put_names(struct buf *text, const char *opening, bool of_collecting)
{
    const struct command_flag *flag;
    const char *separator = "";
    buf_printf(text, "    %s", opening);
    for (size_t i = 0; (flag = profiler_command_flag(i)) != NULL; i++) {
        bool is_of_collecting = flag->group == FLAGS_COLLECT || flag->group == FLAGS_OUTPUT;
        if (is_of_collecting != of_collecting)
            continue;
        buf_printf(text, "%s%s", separator, flag->name);
        separator = " ";
    }
    buf_append_string(text, ")\n");
}

static void put_types(struct buf *text)
{
    buf_append_string(text, "    local types='");
    for (size_t i = 0; i < collectible_count; i++)
        buf_printf(text, "%s ", collectibles[i].name);
    buf_append_string(text, "all'\n");
}

void help_write_completion(struct buf *text)
{
    buf_append_string(text, head);
    put_names(text, "flags=(", false);
    put_names(text, "[[ $form == analyze ]] || flags+=(", true);
    put_types(text);
    buf_append_string(text, "    case $before in\n");
    put_values(text, VALUES_TYPES, "mapfile -t COMPREPLY < <(compgen -W \"$types\" -- \"$word\")");
    put_values(text, VALUES_FILES, "_takhin_profiler_files compgen -f -- \"$word\"");
    put_values(text, VALUES_FOLDERS, "_takhin_profiler_files compgen -d -- \"$word\"");
    put_values(text, VALUES_ANY, ": # only its user knows");
    buf_append_string(text, tail);
}
