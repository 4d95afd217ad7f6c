#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/service/service.h"
static void t(void **s){(void)s; struct problems p; struct service *v; problems_init(&p);
 int rc = service_load(SOURCE_ROOT "/etc/services/zerobounce.yaml", NULL,&p,&v);
 for (struct problem *q=p.first;q;q=q->next) print_message("%s\n",q->text);
 assert_int_equal(rc,0); service_unref(v); problems_fini(&p);}
int main(void){const struct CMUnitTest tests[]={cmocka_unit_test(t)}; return cmocka_run_group_tests(tests,NULL,NULL);}
