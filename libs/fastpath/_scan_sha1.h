/* SHA-1 (RFC 3174) of a text of at most 55 bytes, which is one block. For names, not for secrets. */
#include <stdint.h>
#include <string.h>

static inline uint32_t scan_turned(uint32_t value, int bits) {
    return value << bits | value >> (32 - bits);
}

static void scan_sha1(const uint8_t *text, size_t size, uint8_t digest[20]) {
    uint32_t state[5] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    uint32_t words[80];
    uint8_t block[64] = {0};
    memcpy(block, text, size);
    block[size] = 0x80;
    block[62] = (uint8_t)(size * 8 >> 8);
    block[63] = (uint8_t)(size * 8);
    for (int at = 0; at < 16; at++) {
        const uint8_t *p = block + 4 * at;
        words[at] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    for (int at = 16; at < 80; at++)
        words[at] = scan_turned(words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16], 1);
    for (int at = 0; at < 80; at++) {
        uint32_t mixed, constant, next;
        if (at < 20) {
            mixed = (b & c) | (~b & d);
            constant = 0x5A827999u;
        } else if (at < 40) {
            mixed = b ^ c ^ d;
            constant = 0x6ED9EBA1u;
        } else if (at < 60) {
            mixed = (b & c) | (b & d) | (c & d);
            constant = 0x8F1BBCDCu;
        } else {
            mixed = b ^ c ^ d;
            constant = 0xCA62C1D6u;
        }
        next = scan_turned(a, 5) + mixed + e + constant + words[at];
        e = d;
        d = c;
        c = scan_turned(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    for (int at = 0; at < 20; at++)
        digest[at] = (uint8_t)(state[at / 4] >> (24 - 8 * (at % 4)));
}
