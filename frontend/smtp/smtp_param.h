/*
 * smtp_param: the parameters of MAIL, by name. Pure functions, as those of smtp_parse, which finds
 * the parameters in their line. What a parameter asks for may still be refused by who knows the
 * session.
 */
#ifndef FRONTEND_SMTP_SMTP_PARAM_H
#define FRONTEND_SMTP_SMTP_PARAM_H

#include "frontend/smtp/smtp_parse.h"

#define SMTP_VALUE_MAX 600 /* of any parameter: ORCPT, 500 and its type */

struct smtp_param {
	slice_t key;
	slice_t value;
	bool has_value;
};

/* Into out. seen: one word a command, 0 at first: nothing may stand twice. */
enum smtp_say smtp_param_mail(const struct smtp_param *p, struct smtp_mail_args *out,
			      unsigned *seen);

#endif
