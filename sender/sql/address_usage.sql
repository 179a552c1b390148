select subject, handed_over from queue.usage where kind = 'address' and day = :day and subject = any(:subjects)
