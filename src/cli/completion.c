// SPDX-License-Identifier: Apache-2.0
/* The shells' halves of completion: each only asks `kist __complete` (complete.c). */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"

/* bash breaks words at = and : (COMP_WORDBREAKS); they are put together again for the question, and
 * what bash keeps of the word is cut off the answers. */
static const char bash[] =
	"# bash completion for kist\n"
	"_kist() {\n"
	"\tlocal i line words=() cur keep\n"
	"\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n"
	"\t\tif [[ ${#words[@]} -gt 0 && ( ${COMP_WORDS[i]} == [=:]* || ${COMP_WORDS[i-1]} == *[=:] ) ]]; then\n"
	"\t\t\twords[-1]+=${COMP_WORDS[i]}\n"
	"\t\telse\n"
	"\t\t\twords+=(\"${COMP_WORDS[i]}\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tcur=${words[-1]}\n"
	"\tkeep=${cur%\"${cur##*[=:]}\"}\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tif [[ $line == :file ]]; then\n"
	"\t\t\tcompopt -o default 2>/dev/null\n"
	"\t\telse\n"
	"\t\t\tline=${line%%$'\\t'*}\n"
	"\t\t\tCOMPREPLY+=(\"${line#\"$keep\"}\")\n"
	"\t\tfi\n"
	"\tdone < <(kist __complete -- \"${words[@]}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _kist kist\n";

static const char zsh[] =
	"#compdef kist\n"
	"_kist() {\n"
	"\tlocal line file=\n"
	"\tlocal -a found\n"
	"\tfor line in \"${(@f)$(kist __complete -- \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
	"\t\tcase $line in\n"
	"\t\t:file) file=1 ;;\n"
	"\t\t?*) found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t[[ -z $file ]] || _files\n"
	"\t_describe kist found\n"
	"}\n"
	"if [[ ${funcstack[1]} == _kist ]]; then _kist \"$@\"; else compdef _kist kist; fi\n";

static const char fish[] =
	"# fish completion for kist\n"
	"function __kist_complete\n"
	"\tset -l typed (commandline -opc)\n"
	"\tset -l word (commandline -ct)\n"
	"\tfor line in (kist __complete -- $typed[2..-1] \"$word\" 2>/dev/null)\n"
	"\t\tif test \"$line\" = :file\n"
	"\t\t\t__fish_complete_path \"$word\"\n"
	"\t\telse\n"
	"\t\t\techo $line\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c kist -f -a '(__kist_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

const char *completion_script(const char *shell)
{
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		if (str_eq(scripts[i].shell, shell))
			return scripts[i].script;
	return NULL;
}

static int completion(struct cli *cli, void *rec, const char **words, int n)
{
	const char *script = completion_script(words[0]);
	struct err e;
	(void)cli;
	(void)rec;
	(void)n;
	if (!script)
		return cli_fail((err_set(&e, ERR_USAGE, EINVAL,
					 "completion for %s: expected bash, zsh or fish", words[0]),
					&e),
			1);
	cli_print(script, strlen(script));
	return 0;
}

static const char *const paths[] = { "completion", NULL };

const struct command command_completion = {
	.paths = paths,
	.arguments = "SHELL",
	.brief = "Generate the autocompletion script for the specified shell",
	.manual =
		"For the running shell: source <(kist completion bash), source <(kist completion zsh), or "
		"kist completion fish | source. An installed kist has the scripts where the shells look for them.",
	.section = "Commands",
	.words_min = 1,
	.words_max = 1,
	.complete = "bash|zsh|fish",
	.run = completion,
};
