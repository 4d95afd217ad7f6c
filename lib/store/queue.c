/* See queue.h. */
#include "lib/store/queue.h"

static struct key ready_key(uint16_t service, uint32_t run, uint8_t rank)
{
	return key_u8(key_u32(key_u16(key_of(), service), run), rank);
}

static struct key later_key(const struct item *i)
{
	/* due is never negative: boot time counts up from 0 */
	return key_u32(key_u32(key_u16(key_u64(key_of(), (uint64_t)i->due_us), i->service), i->run), i->number);
}

void queue_push(struct txn *t, const struct item *i)
{
	txn_put(t, TABLE_READY, key_u32(ready_key(i->service, i->run, i->rank), i->number), "", 0);
}

bool queue_has(struct txn *t, const struct item *i)
{
	struct slice value;

	return txn_get(t, TABLE_READY, key_u32(ready_key(i->service, i->run, i->rank), i->number), &value);
}

void queue_remove(struct txn *t, const struct item *i)
{
	txn_delete(t, TABLE_READY, key_u32(ready_key(i->service, i->run, i->rank), i->number));
}

uint32_t queue_head(struct txn *t, uint16_t service, uint32_t run, uint8_t rank)
{
	struct key prefix = ready_key(service, run, rank);
	struct slice key, value;

	if (!txn_first(t, TABLE_READY, prefix, prefix, &key, &value)) {
		return 0;
	}
	return key_get_u32(key.data + prefix.len);
}

uint32_t queue_behind(struct txn *t, uint16_t service, uint32_t run, uint8_t rank, uint32_t number)
{
	struct key prefix = ready_key(service, run, rank);
	struct slice key, value;

	if (number == UINT32_MAX || !txn_first(t, TABLE_READY, key_u32(prefix, number + 1), prefix, &key, &value)) {
		return 0;
	}
	return key_get_u32(key.data + prefix.len);
}

void later_push(struct txn *t, const struct item *i)
{
	txn_put(t, TABLE_LATER, later_key(i), "", 0);
}

void later_remove(struct txn *t, const struct item *i)
{
	txn_delete(t, TABLE_LATER, later_key(i));
}

bool later_head(struct txn *t, int64_t *ret_due_us, uint32_t *ret_run, uint32_t *ret_number)
{
	struct slice key, value;

	if (!txn_first(t, TABLE_LATER, key_of(), key_of(), &key, &value)) {
		return false;
	}
	*ret_due_us = (int64_t)key_get_u64(key.data);
	*ret_run = key_get_u32(key.data + 10);
	*ret_number = key_get_u32(key.data + 14);
	return true;
}
