/*
 * frontend/outbound: mail on its way to other systems. A worker of this service has no listeners:
 * it keeps a stream of work open to each back-end, speaks SMTP to strangers, and reports. It holds
 * no mail beyond what is under way and decides no retry: that is the queue's, in the back-end.
 *
 *   outbound          the service: streams of work, start and stop
 *   courier           destinations, and who carries jobs to them
 *   drop              jobs whose way ends in a folder
 *   route             how a connection is made, by the job's route
 *   hosts             a destination into servers, by DNS
 *   sts               what domains say of their servers' TLS (MTA-STS): what is known, and
 *                     when it is looked for again
 *   sts_policy        the same, read
 *   sts_fetch         the same, asked of the domain's site
 *   https             a question to a site
 *   tls_policy        what a connection to a host must have
 *   tls_tally         what became of TLS, told to the back-ends
 *   questions         what back-ends want to know of DNS
 *   pickup            files that are to be messages
 *   send              one job over one connection
 *   report_of         what is reported of one
 *   turn              held mail over the connection of its host (of the submission workers)
 *   sevenbit          a message made 7-bit on its way
 *   reports           results on their way back
 *   notices           notice jobs, some at a time
 *   notice_post       one of them: composed here, delivered as any message
 *   own_mail          a message of ours as a record, and its delivery
 *   mail_sign         what its owner, or a submission's, is to sign
 *   notice*           delivery status notifications (RFC 3464)
 *   alert             a mail to whoever looks after the cluster
 *   tlsrpt_post       reports of TLS that are to be sent: tlsrpt_record, tlsrpt_json, tlsrpt_mail
 *   tlsrpt_job        those that come, as mail: tlsrpt_find, tlsrpt_read
 *   smtp_client*      a connection to a server; smtp_client.h has its parts
 */
#ifndef FRONTEND_OUTBOUND_OUTBOUND_H
#define FRONTEND_OUTBOUND_OUTBOUND_H

#include "frontend/core/session.h"

extern const struct protocol outbound_protocol;

#endif
