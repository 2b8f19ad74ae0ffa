// The floor: the least that a client does for one check of a MySQL or MariaDB server. It connects,
// reads the greeting, logs in by mysql_native_password, asks one statement, reads the rows, says
// COM_QUIT and closes. One line for each check, so that they can be counted. With a FILE it also does
// what a cycle of confd_haproxy does around that: it reads the file before, and writes another line.
// An interval with a minus before it is one without lines.
//
//   floor HOST PORT USER PASSWORD STATEMENT INTERVAL_MS [FILE]

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { DIGEST = 20, PACKET = 1 << 16 };
// CLIENT_LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH.
static const uint32_t CAPABILITIES = 1 | 0x200 | 0x8000 | 0x80000;
static const char PLUGIN[] = "mysql_native_password";

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// --- SHA-1 of up to 55 bytes: one block ------------------------------------------------------------

static uint32_t rotated(uint32_t word, int by) { return word << by | word >> (32 - by); }

static void sha1(const uint8_t *text, size_t length, uint8_t digest[DIGEST]) {
    uint8_t block[64] = {0};
    memcpy(block, text, length);
    block[length] = 0x80;
    block[62] = (uint8_t)(length >> 5);
    block[63] = (uint8_t)(length << 3);
    uint32_t w[80], h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20) f = (b & c) | (~b & d), k = 0x5a827999;
        else if (i < 40) f = b ^ c ^ d, k = 0x6ed9eba1;
        else if (i < 60) f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        else f = b ^ c ^ d, k = 0xca62c1d6;
        uint32_t next = rotated(a, 5) + f + e + k + w[i];
        e = d, d = c, c = rotated(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    for (int i = 0; i < DIGEST; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

// SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))).
static void token(const char *password, const uint8_t scramble[DIGEST], uint8_t out[DIGEST]) {
    uint8_t once[DIGEST], salted[2 * DIGEST];
    size_t length = strlen(password);
    if (length > 55) exit(2);
    sha1((const uint8_t *)password, length, once);
    memcpy(salted, scramble, DIGEST);
    sha1(once, DIGEST, salted + DIGEST);
    sha1(salted, sizeof salted, out);
    for (int i = 0; i < DIGEST; i++) out[i] ^= once[i];
}

// --- packets ---------------------------------------------------------------------------------------

static int sock;
static uint8_t in[PACKET];
static size_t held, at;

// The next packet's payload, in the buffer until the next call.
static const uint8_t *packet(size_t *length) {
    for (;;) {
        if (held - at >= 4) {
            *length = in[at] | (size_t)in[at + 1] << 8 | (size_t)in[at + 2] << 16;
            if (held - at >= 4 + *length) {
                const uint8_t *payload = in + at + 4;
                at += 4 + *length;
                return payload;
            }
        }
        memmove(in, in + at, held - at);
        held -= at, at = 0;
        ssize_t got = read(sock, in + held, PACKET - held);
        if (got <= 0) fail("read");
        held += (size_t)got;
    }
}

static void send_packet(uint8_t number, uint8_t *frame, size_t length) {
    frame[0] = (uint8_t)length, frame[1] = (uint8_t)(length >> 8), frame[2] = 0, frame[3] = number;
    if (write(sock, frame, 4 + length) != (ssize_t)(4 + length)) fail("write");
}

static void expect_ok(void) {
    size_t length;
    if (packet(&length)[0] != 0) exit(3);
}

static void log_in(const char *user, const char *password) {
    size_t length, from = 1;
    const uint8_t *greeting = packet(&length);
    uint8_t scramble[DIGEST], frame[256] = {0};
    from += strlen((const char *)greeting + 1) + 1 + 4;
    memcpy(scramble, greeting + from, 8);
    memcpy(scramble + 8, greeting + from + 8 + 1 + 18, 12);
    uint8_t *to = frame + 4;
    memcpy(to, &CAPABILITIES, 4), to += 4;
    memcpy(to, "\0\0\0\1", 4), to += 4;
    *to = 33, to += 24;
    to += snprintf((char *)to, 64, "%s", user) + 1;
    *to++ = DIGEST;
    token(password, scramble, to), to += DIGEST;
    memcpy(to, PLUGIN, sizeof PLUGIN), to += sizeof PLUGIN;
    send_packet(1, frame, (size_t)(to - frame) - 4);
    expect_ok();
}

static void ask(const char *statement) {
    uint8_t frame[256];
    size_t length = strlen(statement);
    frame[4] = 3;
    memcpy(frame + 5, statement, length);
    send_packet(0, frame, length + 1);
    // The columns end with an EOF packet, and the rows do.
    for (int ends = 0; ends < 2;) {
        const uint8_t *payload = packet(&length);
        if (payload[0] == 0xff) exit(3);
        ends += payload[0] == 0xfe && length < 9;
    }
}

static void check(const struct sockaddr_in *server, char **words) {
    held = at = 0;
    sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(sock, (const struct sockaddr *)server, sizeof *server) != 0) fail("connect");
    log_in(words[3], words[4]);
    ask(words[5]);
    uint8_t quit[5] = {0, 0, 0, 0, 1};
    send_packet(0, quit, 1);
    close(sock);
}

// As long as a line of confd_haproxy's log is.
static const char LINE[] =
    "2026-11-24T03:13:08.659+00:00 INFO  [slave3301] connect to 10.0.21.7, 3301, monitor, xxxxxxxx\n";

static void look_at(const char *path) {
    static char text[4096];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text) < 0) fail(path);
    close(file);
    if (write(1, LINE, sizeof LINE - 1) < 0) exit(1);
}

int main(int count, char **words) {
    if (count < 7 || count > 8 || strlen(words[3]) > 60 || strlen(words[5]) > 200) return 2;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[2]))};
    inet_pton(AF_INET, words[1], &server.sin_addr);
    long interval = labs(atol(words[6]));
    int is_silent = words[6][0] == '-';
    const struct timespec pause = {interval / 1000, interval % 1000 * 1000000};
    for (;;) {
        if (count == 8) look_at(words[7]);
        check(&server, words);
        if (!is_silent && write(1, "is ok\n", 6) != 6) return 1;
        nanosleep(&pause, NULL);
    }
}
