/** The injection tokens of coordinators: the class itself, or one for each name. */
import { Inject, type InjectionToken } from '@nestjs/common';
import { LockCoordinator } from '../index.ts';

/**
 * The token of the coordinator of that name, as `forRoot({ name })` gave it; without a name, the class.
 *
 * @example const billing = app.get<LockCoordinator>(coordinatorToken('billing'));
 */
export const coordinatorToken = (name?: string): InjectionToken<LockCoordinator> =>
  name === undefined ? LockCoordinator : `redisync:${name}`;

/**
 * Injects the coordinator of that name into a constructor's parameter or a property. The coordinator without a name needs no
 * decorator, because it is injected by its type.
 *
 * @example class Invoices { @InjectCoordinator('billing') readonly locks?: LockCoordinator }
 */
export const InjectCoordinator = (name?: string): PropertyDecorator & ParameterDecorator =>
  Inject(coordinatorToken(name));
