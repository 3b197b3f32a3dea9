/* SPDX-License-Identifier: MIT */
/*
 * What the quire command and the guest's init say to each other over the port: frames of a header and
 * a payload, little-endian. A session is one program that was started; its number is the channel.
 * tools/quire_cli/protocol.py says the same in Python.
 */
#ifndef GUEST_PROTOCOL_H
#define GUEST_PROTOCOL_H

#include <stdint.h>

struct frame_header {
	uint32_t len; /* bytes of payload */
	uint8_t type;
	uint8_t channel;
	uint16_t reserved;
};

#define MAX_PAYLOAD 65536u
#define MAX_SESSIONS 32
/* How many bytes of input may be under way before the guest has said that it took them. */
#define INPUT_WINDOW (256u * 1024)

/* to the guest */
#define MSG_RUN      1 /* "key=value" strings, NUL-terminated: tty (a bit for each stream) rows cols cwd user env arg; no arg: the login shell */
#define MSG_INPUT    2
#define MSG_EOF      3
#define MSG_WINSIZE  4 /* "rows cols" */
#define MSG_SIGNAL   5 /* number, to the session's foreground */
#define MSG_POWEROFF 6

/* from the guest */
#define MSG_HELLO  17
#define MSG_OUTPUT 18
#define MSG_ERROR  19 /* standard error */
#define MSG_EXIT   20 /* wait status */
#define MSG_TAKEN  21 /* bytes of input that the program's pipe or terminal took */
#define MSG_FAILED 22 /* errno: the program could not be started */
#define MSG_TERMINAL 23 /* what the session's terminal prints */

#endif
