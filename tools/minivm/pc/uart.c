// SPDX-License-Identifier: GPL-2.0-only
/*
 * A serial port as Linux's 8250 driver wants it, a 16550A, on standard input
 * and output, with IRQ 4.  What is sent is sent at once.  What is typed waits
 * until the guest takes interrupts for it: a driver that starts empties its
 * receiver, and a script may be ahead of it.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/serial_reg.h>

#include "pc.h"
#include "terminal.h"

#define UART_IRQ	4
#define IER_BITS	0x0f
#define FIFO_ON		0xc0	/* in IIR */

static struct uart {
	struct vm *vm;
	pthread_mutex_t lock;
	pthread_cond_t room;
	uint8_t ier, lcr, mcr, scr, fcr, divisor[2];
	bool sent;		/* nobody was told yet that there is room */
	bool line;		/* of the interrupt */
	bool tty;
	uint8_t typed[1024];
	size_t nr_typed;
} uart;

static bool can_receive(void)
{
	return uart.ier & UART_IER_RDI && uart.nr_typed;
}

static uint8_t cause(void)
{
	if (can_receive())
		return UART_IIR_RDI;
	if (uart.ier & UART_IER_THRI && uart.sent)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update_line(void)
{
	struct kvm_irq_level irq = { .irq = UART_IRQ };

	irq.level = cause() != UART_IIR_NO_INT;
	if (irq.level == uart.line)
		return;
	uart.line = irq.level;
	if (ioctl(uart.vm->fd, KVM_IRQ_LINE, &irq))
		fail(EX_OS, errno, NULL, "cannot interrupt the guest");
}

static uint8_t receive(void)
{
	uint8_t byte;

	if (!can_receive())
		return 0;
	byte = uart.typed[0];
	memmove(uart.typed, uart.typed + 1, --uart.nr_typed);
	pthread_cond_signal(&uart.room);
	return byte;
}

static uint8_t read_cause(void)
{
	uint8_t iir = cause();

	/* To read it is to know it. */
	if (iir == UART_IIR_THRI)
		uart.sent = false;
	return iir | (uart.fcr & UART_FCR_ENABLE_FIFO ? FIFO_ON : 0);
}

/* In loop mode its own outputs, else a line that is ready. */
static uint8_t modem_status(void)
{
	if (!(uart.mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return (uart.mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
	       (uart.mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (uart.mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
	       (uart.mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static uint8_t read_register(unsigned int reg)
{
	if (uart.lcr & UART_LCR_DLAB && reg <= UART_DLM)
		return uart.divisor[reg];
	switch (reg) {
	case UART_RX:
		return receive();
	case UART_IER:
		return uart.ier;
	case UART_IIR:
		return read_cause();
	case UART_LCR:
		return uart.lcr;
	case UART_MCR:
		return uart.mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE |
		       (can_receive() ? UART_LSR_DR : 0);
	case UART_MSR:
		return modem_status();
	default:
		return uart.scr;
	}
}

/* True: the guest has nothing more to send, for now. */
static bool write_enable(uint8_t val)
{
	uint8_t old = uart.ier;

	uart.ier = val & IER_BITS;
	if (uart.ier & ~old & UART_IER_THRI)
		uart.sent = true;
	return old & ~uart.ier & UART_IER_THRI;
}

static bool write_register(unsigned int reg, uint8_t val)
{
	if (uart.lcr & UART_LCR_DLAB && reg <= UART_DLM) {
		uart.divisor[reg] = val;
		return false;
	}
	switch (reg) {
	case UART_TX:
		uart.sent = true;
		break;
	case UART_IER:
		return write_enable(val);
	case UART_FCR:
		uart.fcr = val;
		break;
	case UART_LCR:
		uart.lcr = val;
		break;
	case UART_MCR:
		uart.mcr = val;
		break;
	case UART_SCR:
		uart.scr = val;
		break;
	}
	return false;
}

/* Standard output may have to be waited for, so not under the lock. */
void uart_io(unsigned int reg, bool in, uint8_t *data)
{
	bool send, flush = false;

	pthread_mutex_lock(&uart.lock);
	send = !in && reg == UART_TX && !(uart.lcr & UART_LCR_DLAB) &&
	       !(uart.mcr & UART_MCR_LOOP);
	if (in)
		*data = read_register(reg);
	else
		flush = write_register(reg, *data);
	update_line();
	pthread_mutex_unlock(&uart.lock);
	if (send)
		dev_console_write(data, 1);
	if (flush)
		dev_console_flush();
}

/* Nobody is made to wait at a terminal: what has no room is lost. */
static void take_input(const char *text, size_t len)
{
	size_t n;

	pthread_mutex_lock(&uart.lock);
	while (len) {
		while (!uart.tty && uart.nr_typed == sizeof(uart.typed))
			pthread_cond_wait(&uart.room, &uart.lock);
		n = sizeof(uart.typed) - uart.nr_typed;
		if (!n)
			break;
		n = n < len ? n : len;
		memcpy(uart.typed + uart.nr_typed, text, n);
		uart.nr_typed += n;
		text += n;
		len -= n;
		update_line();
	}
	pthread_mutex_unlock(&uart.lock);
}

static void *input_thread(void *arg)
{
	char text[256];
	bool open = true;
	size_t len;

	name_thread("uart");
	io_policy_apply("the serial port");
	while (open) {
		if (!terminal_wait(true, -1))
			continue;
		open = terminal_read(text, sizeof(text), &len);
		take_input(text, len);
	}
	return NULL;
}

void uart_init(struct vm *vm)
{
	uart.vm = vm;
	pi_mutex_init(&uart.lock);
	pthread_cond_init(&uart.room, NULL);
	uart.tty = terminal_open();
	start_thread("the serial port", input_thread, NULL);
}
