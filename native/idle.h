/*
 * idle: what a process that waits for long can do without.
 */
#ifndef PROA_IDLE_H
#define PROA_IDLE_H

/* Give free heap and the pages of our own program back to the kernel. What is needed comes back by itself, when it is needed. */
void idle_give_back(void);

#endif
