/* The error table and the formatting of its messages. Cold path only: nothing here runs on success. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct error_row rows[PS_ERROR_COUNT] = {
	[PS_OK] = { "OK", "ok", 200, false, "no error" },
#define PS_ERROR(name, code, status, retryable, text) [PS_##name] = { #name, code, status, (retryable) != 0, text },
#include "base/errors.def"
#undef PS_ERROR
};

const struct error_row *error_row(int code)
{
	int i = abs(code);
	return i < PS_ERROR_COUNT ? &rows[i] : &rows[PS_EINVAL];
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	code = abs(code);
	if (!e)
		return -code;
	va_list ap;
	va_start(ap, fmt);
	e->code = code;
	(void)vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	return -code;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
	char old[sizeof e->text];
	(void)snprintf(old, sizeof old, "%s", e->text);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof e->text)
		(void)snprintf(e->text + n, sizeof e->text - (size_t)n, "%s", old);
}
