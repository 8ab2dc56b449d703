/*
 * content.h
 *	  The data of a session as its row stores it.
 */
#ifndef SESSION_CONTENT_H
#define SESSION_CONTENT_H

#include "utils/jsonb.h"

#include "model/row.h"

/*
 * Errors with 22023 unless the value is an object, and with 54000 when it is
 * larger than "session.max_data_size".
 */
extern void session_content_check(const Jsonb *data);

/*
 * Returns data in the form in which the row stores it: as it is, or sealed if
 * "session.encrypt_data" is on.
 */
extern struct varlena *session_content_stored(const SessionRow *row,
											  Jsonb *data);

/* Returns whether the row stores its data sealed. */
extern bool session_content_is_sealed(const SessionRow *row);

/* Returns the data of a row, in whichever form it is stored. */
extern Jsonb *session_content_of(const SessionRow *row);

#endif							/* SESSION_CONTENT_H */
