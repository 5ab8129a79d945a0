/*
 * title: the command line that ps shows.
 */
#ifndef PROA_TITLE_H
#define PROA_TITLE_H

/*
 * Show NAME and ARGUMENT, cut where there is no room, instead of the arguments this process was started with. Their
 * memory and that of the environment is overwritten: nothing may read either afterwards. Does nothing where it cannot.
 */
void title_set(const char *name, const char *argument);

#endif
