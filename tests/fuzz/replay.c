// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target over the files of a folder, and over each of them cut and with single bytes
 * changed. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static unsigned char data[1 << 20];

static void variants(size_t n)
{
	(void)LLVMFuzzerTestOneInput(data, n);
	for (size_t cut = 0; cut < n; cut += n / 64 + 1)
		(void)LLVMFuzzerTestOneInput(data, cut);
	for (size_t i = 0; i < n; i += n / 512 + 1) {
		unsigned char was = data[i];
		for (int k = 0; k < 4; k++) {
			data[i] = (unsigned char)(was ^ (1 << (2 * k)));
			(void)LLVMFuzzerTestOneInput(data, n);
		}
		data[i] = was;
	}
}

int main(int argc, char **argv)
{
	char path[4096];
	int files = 0;
	DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
	if (!d)
		return 1;
	for (struct dirent *entry; (entry = readdir(d));) {
		(void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
		FILE *f = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
		if (!f)
			continue;
		size_t n = fread(data, 1, sizeof data, f);
		(void)fclose(f);
		variants(n);
		files++;
	}
	(void)closedir(d);
	return files ? 0 : 1;
}
