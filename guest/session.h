/* SPDX-License-Identifier: MIT */
/* Programs started for the command: one session each. */
#ifndef GUEST_SESSION_H
#define GUEST_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void session_init(int port);
/* Starts what the NUL-terminated "key=value" strings ask for. */
void session_start(int channel, const char *strings, size_t len);
void session_input(int channel, const char *data, size_t len);
void session_input_ended(int channel);
void session_winsize(int channel, const char *rows_cols);
void session_signal(int channel, int sig);
void session_child_ended(pid_t pid, int status);
/* Is there one that has not ended, or whose output is not drained? */
bool session_any(void);

/* Fills in what to poll for all sessions; returns how many. */
int session_poll_prepare(struct pollfd *fds);
void session_poll_done(const struct pollfd *fds, int n);

#endif
