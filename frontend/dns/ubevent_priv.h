/* ubevent: the loop as libunbound's event base, so that the resolver's machines run on the
 * worker's own thread. One base a process. */
#ifndef FRONTEND_DNS_UBEVENT_PRIV_H
#define FRONTEND_DNS_UBEVENT_PRIV_H

struct ub_event_base;

/* For ub_ctx_create_ub_event(), on a thread with a loop; lives as long as the process. */
struct ub_event_base *ubevent_base(void);

#endif
