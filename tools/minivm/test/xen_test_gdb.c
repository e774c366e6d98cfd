#include "../guest.h"
bool guest_read(struct vm *vm, uint64_t gpa, void *to, size_t size){return false;}
bool guest_write(struct vm *vm, uint64_t gpa, const void *from, size_t size){return false;}
