# stub
from datetime import time

REGULAR_START = time(9, 30)
REGULAR_END = time(16, 0)
CLOSE_POSITIONS_TIME = time(15, 55)
