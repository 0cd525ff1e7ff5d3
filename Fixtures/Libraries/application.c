// The application: asks its libraries, and checks what they answer.

#include "check.h"
#include "libraries.h"

__thread int own_variable __attribute__((aligned(16))) = 66;
extern __thread int base_variable;

#ifdef LARGE
__attribute__((used)) static char room[0x80000];
__asm__(".section .file_only, \"\", @progbits\n.zero 0x50000\n.text");
#endif

int who(void) { return 1; }

void run_initialisers(void);
void run_finalisers(void);

void check_relocations(void) {
    uint64_t tp = set_up_tls();
    check("alignment of TP", tp & (boot_info->tls_align - 1), 0);
    run_initialisers();
    check("initialisers, base first", *(const uint64_t *)recorded(), 0x746d6962);

    check("a copied object", base_number, 5);
    check("address of a copied object", (uint64_t)base_number_address(), (uint64_t)&base_number);
    base_number = 6;
    check("a copied object, written", *base_number_address(), 6);
    check("a pointer in a copied object", *base_pointers.number, 9);
    check("a choice in a copied object", base_pointers.function(10), 16);
    check("a chosen function", base_chosen(20), 26);
    check("a chosen function, from a table", call_chosen(30), 36);

    check("the application comes first", ask_who(), 1);
    check("a protected function", ask_own(), 20);
    check("a weak symbol that nobody defines", is_nobody(), 1);
    check("the old version", ask_old_version(), 1);
    check("the default version", ask_new_version(), 2);
    check("one address for a function", (uint64_t)middle_function(), (uint64_t)record);

    check("own variable", own_variable, 66);
    check("a library's variable", base_variable, 77);
    check("its address", (uint64_t)base_variable_address(), (uint64_t)&base_variable);
    check("its address, seen by another", (uint64_t)middle_sees_base_variable(), (uint64_t)&base_variable);
    check("its address, by descriptor", (uint64_t)top_sees_base_variable(), (uint64_t)&base_variable);
    check("its alignment", (uint64_t)&base_variable & 63, 0);
    check("another library's", *middle_variable_address(), 88);
    check("another library's, by descriptor", (uint64_t)top_sees_middle_variable(), (uint64_t)middle_variable_address());
    check("the third library's", *top_variable_address(), 99);
    check("its alignment", (uint64_t)top_variable_address() & 31, 0);
    for (int i = 0; i < 100; i++)
        check("zero", base_zero_address()[i], 0);
    for (int i = 0; i < 3; i++)
        check("zero", top_zero_address()[i], 0);
    check("below TP", (uint64_t)&own_variable < tp, 1);
    check("the image covers a library", (uint64_t)top_constant() < boot_info->image_end, 1);
    check("the image covers a library", (uint64_t)top_constant() > boot_info->image_start, 1);
    check("the image covers the template", boot_info->tls_start + boot_info->tls_filesz <= boot_info->image_end, 1);

    run_finalisers();
    check("finalisers, base last", *(const uint64_t *)(recorded() + 4), 0x42494d54);
}
