/* JSON, checked and stepped over: RFC 8259's grammar with UTF-8 validation, nothing built.

Every function takes the place to read from and returns the place behind what it read, or NULL for what is not JSON.
The text must be followed by a NUL byte (CPython's bytes and bytearray are): NUL is invalid wherever it stands, so no
step needs to ask whether the text is over. Only loads wider than one byte look at `end`. */

#ifndef HEDGEROW_SCAN_JSON_H
#define HEDGEROW_SCAN_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

enum {
    SCAN_LONE = 1,    /* an escape is half of a UTF-16 pair */
    SCAN_ESCAPED = 2, /* a string holds a backslash; the caller clears it */
    SCAN_DEEP = 4,    /* nested deeper than allowed (and NULL was returned) */
    SCAN_HUGE = 8,    /* a number has an exponent or over 300 characters: it may be beyond a double */
};

static inline int scan_is_plain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

/* The first byte that a string cannot simply contain: quote, backslash, control, or the start of UTF-8; at most `end`.
   Eight bytes a step, for any machine. */
static const uint8_t *scan_special_portable(const uint8_t *p, const uint8_t *end) {
    const uint64_t ones = 0x0101010101010101ULL, tops = 0x8080808080808080ULL;
    while (end - p >= 8) {
        uint64_t w, quote, slash;
        memcpy(&w, p, 8);
        quote = w ^ (ones * '"');
        slash = w ^ (ones * '\\');
        /* exact as to whether there is one; where it is, the bytes below tell */
        if (((((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((w - ones * 0x20) & ~w) | w) & tops)) break;
        p += 8;
    }
    while (p < end && scan_is_plain(*p)) p++;
    return p;
}

static inline const uint8_t *scan_special(const uint8_t *p, const uint8_t *end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), blank = _mm_set1_epi8(0x20);
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        /* as signed bytes, UTF-8's are below the blank too */
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                                   _mm_cmplt_epi8(v, blank));
        int mask = _mm_movemask_epi8(hit);
        if (mask) return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
    while (p < end && scan_is_plain(*p)) p++;
    return p;
#elif defined(__aarch64__) && defined(__ARM_NEON)
    const uint8x16_t quote = vdupq_n_u8('"'), slash = vdupq_n_u8('\\');
    const int8x16_t blank = vdupq_n_s8(0x20);
    while (end - p >= 16) {
        uint8x16_t v = vld1q_u8(p);
        uint8x16_t hit = vorrq_u8(vorrq_u8(vceqq_u8(v, quote), vceqq_u8(v, slash)),
                                  vcltq_s8(vreinterpretq_s8_u8(v), blank));
        uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(hit), 4)), 0);
        if (mask) return p + (__builtin_ctzll(mask) >> 2);
        p += 16;
    }
    while (p < end && scan_is_plain(*p)) p++;
    return p;
#else
    return scan_special_portable(p, end);
#endif
}

/* One or more characters beyond ASCII: Unicode table 3-7, so neither overlong forms nor surrogates. */
static const uint8_t *scan_utf8(const uint8_t *p) {
    while (*p >= 0x80) {
        uint8_t a = p[0], b = p[1];
        if (a < 0xC2) return NULL;
        if (a < 0xE0) {
            if ((b & 0xC0) != 0x80) return NULL;
            p += 2;
        } else if (a < 0xF0) {
            if ((b & 0xC0) != 0x80 || (a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F)) return NULL;
            if ((p[2] & 0xC0) != 0x80) return NULL;
            p += 3;
        } else {
            if (a > 0xF4 || (b & 0xC0) != 0x80 || (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F)) return NULL;
            if ((p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80) return NULL;
            p += 4;
        }
    }
    return p;
}

/* The value of four hexadecimal digits, or -1. */
static int scan_hex4(const uint8_t *p) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i], lower = c | 0x20;
        if (c >= '0' && c <= '9') value = value << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f') value = value << 4 | (lower - 'a' + 10);
        else return -1;
    }
    return value;
}

/* From a backslash to behind its escape; a whole pair is one. */
static const uint8_t *scan_escape(const uint8_t *p, int *flags) {
    int code;
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 2;
    case 'u':
        code = scan_hex4(p + 2);
        if (code < 0) return NULL;
        p += 6;
        if ((code & 0xF800) != 0xD800) return p;
        if (code < 0xDC00 && p[0] == '\\' && p[1] == 'u') {
            int low = scan_hex4(p + 2);
            if (low >= 0xDC00 && low <= 0xDFFF) return p + 6;
        }
        *flags |= SCAN_LONE;
        return p;
    default:
        return NULL;
    }
}

/* From behind the opening quote to behind the closing one. */
static inline const uint8_t *scan_string(const uint8_t *p, const uint8_t *end, int *flags) {
    for (;;) {
        p = scan_special(p, end);
        if (*p == '"') return p + 1;
        if (*p == '\\') {
            *flags |= SCAN_ESCAPED;
            p = scan_escape(p, flags);
        } else if (*p >= 0x80) {
            p = scan_utf8(p);
        } else {
            return NULL; /* a control character, or the end */
        }
        if (!p) return NULL;
    }
}

static inline const uint8_t *scan_blanks(const uint8_t *p) {
    while (*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static const uint8_t *scan_digits(const uint8_t *p) {
    if ((uint8_t)(*p - '0') > 9) return NULL;
    do p++; while ((uint8_t)(*p - '0') <= 9);
    return p;
}

/* Any number of the grammar, whatever its size: it is copied, never computed with. */
static const uint8_t *scan_number(const uint8_t *p, int *flags) {
    const uint8_t *start = p;
    if (*p == '-') p++;
    if (*p == '0') p++;
    else if (!(p = scan_digits(p))) return NULL;
    if (*p == '.' && !(p = scan_digits(p + 1))) return NULL;
    if ((*p | 0x20) == 'e') {
        *flags |= SCAN_HUGE;
        p++;
        if (*p == '+' || *p == '-') p++;
        p = scan_digits(p);
    }
    if (p - start > 300) *flags |= SCAN_HUGE;
    return p;
}

/* A value, from its first byte. `levels` is how many brackets deep it may go. */
static const uint8_t *scan_value(const uint8_t *p, const uint8_t *end, int levels, int *flags) {
    switch (*p) {
    case '"':
        return scan_string(p + 1, end, flags);
    case '{':
        if (levels == 0) {
            *flags |= SCAN_DEEP;
            return NULL;
        }
        p = scan_blanks(p + 1);
        if (*p == '}') return p + 1;
        for (;;) {
            if (*p != '"' || !(p = scan_string(p + 1, end, flags))) return NULL;
            p = scan_blanks(p);
            if (*p != ':' || !(p = scan_value(scan_blanks(p + 1), end, levels - 1, flags))) return NULL;
            p = scan_blanks(p);
            if (*p == '}') return p + 1;
            if (*p != ',') return NULL;
            p = scan_blanks(p + 1);
        }
    case '[':
        if (levels == 0) {
            *flags |= SCAN_DEEP;
            return NULL;
        }
        p = scan_blanks(p + 1);
        if (*p == ']') return p + 1;
        for (;;) {
            if (!(p = scan_value(p, end, levels - 1, flags))) return NULL;
            p = scan_blanks(p);
            if (*p == ']') return p + 1;
            if (*p != ',') return NULL;
            p = scan_blanks(p + 1);
        }
    case 't':
        return p[1] == 'r' && p[2] == 'u' && p[3] == 'e' ? p + 4 : NULL;
    case 'f':
        return p[1] == 'a' && p[2] == 'l' && p[3] == 's' && p[4] == 'e' ? p + 5 : NULL;
    case 'n':
        return p[1] == 'u' && p[2] == 'l' && p[3] == 'l' ? p + 4 : NULL;
    default:
        return scan_number(p, flags);
    }
}

#endif
