// An application: every 5 ms it connects to a port and waits 250 ms at most for a MySQL greeting.
// For each try a line: when it began and ended, in ns of the time of day, and the version that the
// server greeted with, or "-".
//
//   greet HOST PORT

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// The version that the server greets with.
static const char *greeting(const struct sockaddr_in *server) {
    static uint8_t in[256];
    const struct timeval limit = {0, 250000};
    const char *version = "-";
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    memset(in, 0, sizeof in);
    if (connect(sock, (const struct sockaddr *)server, sizeof *server) == 0 &&
        read(sock, in, sizeof in - 1) > 5 && in[4] == 10)
        version = (const char *)in + 5;
    close(sock);
    return version;
}

int main(int count, char **words) {
    if (count != 3) return 2;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[2]))};
    inet_pton(AF_INET, words[1], &server.sin_addr);
    const struct timespec pause = {0, 5000000};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        long long began = now();
        const char *version = greeting(&server);
        printf("%lld %lld %s\n", began, now(), version);
        nanosleep(&pause, NULL);
    }
}
