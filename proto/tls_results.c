#include "proto/tls_results.h"

const char *tls_policy_type_name(unsigned type)
{
	static const char *const names[] = {
		[TLS_POLICY_UNTOLD] = "",
		[TLS_POLICY_TLSA] = "tlsa",
		[TLS_POLICY_STS] = "sts",
		[TLS_POLICY_NONE] = "no-policy-found",
	};

	return type < ARRAY_LEN(names) ? names[type] : "";
}

const char *tls_result_name(unsigned result)
{
	static const char *const names[] = {
		[TLS_RESULT_OK] = "",
		[TLS_RESULT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
		[TLS_RESULT_HOST_MISMATCH] = "certificate-host-mismatch",
		[TLS_RESULT_EXPIRED] = "certificate-expired",
		[TLS_RESULT_NOT_TRUSTED] = "certificate-not-trusted",
		[TLS_RESULT_VALIDATION_FAILURE] = "validation-failure",
		[TLS_RESULT_TLSA_INVALID] = "tlsa-invalid",
		[TLS_RESULT_DNSSEC_INVALID] = "dnssec-invalid",
		[TLS_RESULT_DANE_REQUIRED] = "dane-required",
		[TLS_RESULT_STS_FETCH_ERROR] = "sts-policy-fetch-error",
		[TLS_RESULT_STS_INVALID] = "sts-policy-invalid",
		[TLS_RESULT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
		[TLS_RESULT_OTHER] = "other",
	};

	return result < ARRAY_LEN(names) ? names[result] : "";
}

enum tls_policy_type tls_policy_type_parse(slice_t name)
{
	for (unsigned i = TLS_POLICY_UNTOLD + 1; i <= TLS_POLICY_LAST; i++) {
		if (slice_eq(name, slice_str(tls_policy_type_name(i))))
			return (enum tls_policy_type)i;
	}
	return TLS_POLICY_UNTOLD;
}

enum tls_result tls_result_parse(slice_t name)
{
	for (unsigned i = TLS_RESULT_OK + 1; i <= TLS_RESULT_LAST; i++) {
		if (slice_eq(name, slice_str(tls_result_name(i))))
			return (enum tls_result)i;
	}
	return TLS_RESULT_OTHER;
}
