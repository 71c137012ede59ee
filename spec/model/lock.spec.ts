/** The model of the lock, searched: by itself, since files run side by side. */
import { searched } from './searched.ts';

searched('lock');
