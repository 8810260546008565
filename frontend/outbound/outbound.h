/*
 * frontend/outbound: mail on its way to other systems. A worker of this service has no listeners:
 * it keeps a stream of work open to each back-end, speaks SMTP to strangers, and reports. It holds
 * no mail beyond what is under way and decides no retry: that is the queue's, in the back-end.
 *
 *   outbound          the service: streams of work, start and stop
 *   courier           destinations, and who carries jobs to them
 *   hosts             a destination into servers, by DNS
 *   sts               what domains say of their servers' TLS (MTA-STS): what is known, and
 *                     when it is looked for again
 *   sts_policy        the same, read
 *   sts_fetch         the same, asked of the domain's site
 *   https             a question to a site
 *   send              one job over one connection, and its report
 *   turn              held mail over the connection of its host (of the submission workers)
 *   sevenbit          a message made 7-bit on its way
 *   reports           results on their way back
 *   notice_post       a notice job: composed here, delivered as any message
 *   own_mail          a message of ours as a record, and its delivery
 *   mail_sign         what its owner, or a submission's, is to sign
 *   notice*           delivery status notifications (RFC 3464)
 *   smtp_client*      a connection to a server; smtp_client.h has its parts
 */
#ifndef FRONTEND_OUTBOUND_OUTBOUND_H
#define FRONTEND_OUTBOUND_OUTBOUND_H

#include "frontend/core/session.h"

extern const struct protocol outbound_protocol;

#endif
