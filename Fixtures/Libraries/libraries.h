// The interfaces of the libraries, for each other and the application.

struct pointers {
    int *number;
    int (*function)(int);
};

// base.c
extern int base_number;
int *base_number_address(void);
extern int base_target;
extern struct pointers base_pointers;
int base_chosen(int);
int *base_variable_address(void);
char *base_zero_address(void);
void record(char event);
const char *recorded(void);

// middle.c
int who(void);
int ask_who(void);
int ask_own(void);
int is_nobody(void);
int ask_old_version(void);
void *middle_function(void);
long *middle_variable_address(void);
int *middle_sees_base_variable(void);

// top.c
int *top_sees_base_variable(void);
long *top_sees_middle_variable(void);
short *top_variable_address(void);
int *top_zero_address(void);
int ask_new_version(void);
int call_chosen(int);
const char *top_constant(void);
