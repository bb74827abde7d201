/* _scan_json.h under the address sanitizer: no byte outside of the text is read, whatever the text.

   clang -O1 -g -fsanitize=fuzzer,address,undefined -DLIBFUZZER -Ilibs/fastpath tests/fuzz/fuzz_scan_json.c
   ./a.out tests/fuzz/corpus_scan
   gcc -O1 -g -fsanitize=address,undefined -Ilibs/fastpath tests/fuzz/fuzz_scan_json.c
   find tests/fuzz/corpus_scan -type f -exec ./a.out 200000 {} +
*/

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "_scan_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *text = malloc(size + 1); /* exactly: one byte further is poisoned */
    int flags = 0;
    memcpy(text, data, size);
    text[size] = 0;
    const uint8_t *after = scan_value(scan_blanks(text), text + size, 128, &flags);
    assert(!after || after <= text + size);
    for (size_t at = 0; at <= size && at < 64; at++)
        assert(scan_special(text + at, text + size) == scan_special_portable(text + at, text + size));
    free(text);
    return 0;
}

#ifndef LIBFUZZER
static uint64_t state = 88172645463325252ULL;
static uint64_t chance(uint64_t below) { /* xorshift */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

int main(int count, char **names) {
    static uint8_t text[1 << 16];
    static const char pieces[] = "{}[]\",:\\u\xed\xa0\xf4-e.0 dt";
    for (int at = 2; at < count; at++) {
        FILE *file = fopen(names[at], "rb");
        assert(file);
        size_t whole = fread(text, 1, sizeof text, file);
        fclose(file);
        uint8_t *copy = malloc(whole + 8);
        for (long round = atol(names[1]); round; round--) {
            memcpy(copy, text, whole);
            size_t size = chance(4) ? whole : chance(whole + 1);
            for (uint64_t change = chance(4); change && size; change--)
                copy[chance(size)] = chance(3) ? (uint8_t)pieces[chance(sizeof pieces)] : (uint8_t)chance(256);
            LLVMFuzzerTestOneInput(copy, size);
        }
        free(copy);
    }
    return 0;
}
#endif
